/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "edge/program/program.h"

int main(int argc, char **argv)
{
    return edge_main(argc, argv);
}
