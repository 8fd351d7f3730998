/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scscf/program/program.h"

int main(int argc, char **argv)
{
    return daemon_main(&scscf_role, argc, argv);
}
