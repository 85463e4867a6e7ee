// SPDX-License-Identifier: Apache-2.0
/* checkout_script.c - checkout.sh, taken into the program by the assembler. Data. */
#include "checkout.h"

/* make knows that this object is made of it (Makefile: EMBEDDED); the path is seen from the top of
 * the tree, where it compiles */
__asm__(".pushsection .rodata\ncheckout_script: .incbin \"runner/forges/engine/checkout.sh\"\n"
        ".byte 0\n.globl checkout_script\n.popsection\n");
