/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pcscf/program/program.h"

int main(int argc, char **argv)
{
    return daemon_main(&pcscf_role, argc, argv);
}
