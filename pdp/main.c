/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pdp/program/program.h"

int main(int argc, char **argv)
{
    return daemon_main(&pdp_role, argc, argv);
}
