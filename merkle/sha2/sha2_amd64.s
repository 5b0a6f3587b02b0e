//go:build !purego

#include "textflag.h"

// The instructions hold the state as two vectors, ABEF and CDGH, and do two rounds
// at a time: with the words of the schedule plus the constants in X0, once for the
// low half of X0 and once for the high. A quad is four rounds. The schedule lives in
// four vectors of four words each, which take turns.
//
// First message: state X1 (ABEF), X2 (CDGH); schedule X3 to X6; scratch X7.
// Second message: state X8, X9; schedule X10 to X13; scratch X14.
// X15 turns the bytes of a block around.

DATA flip<>+0(SB)/8, $0x0405060700010203
DATA flip<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL flip<>(SB), RODATA|NOPTR, $16

DATA k<>+0(SB)/8, $0x71374491428a2f98
DATA k<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA k<>+16(SB)/8, $0x59f111f13956c25b
DATA k<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA k<>+32(SB)/8, $0x12835b01d807aa98
DATA k<>+40(SB)/8, $0x550c7dc3243185be
DATA k<>+48(SB)/8, $0x80deb1fe72be5d74
DATA k<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA k<>+64(SB)/8, $0xefbe4786e49b69c1
DATA k<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA k<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA k<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA k<>+96(SB)/8, $0xa831c66d983e5152
DATA k<>+104(SB)/8, $0xbf597fc7b00327c8
DATA k<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA k<>+120(SB)/8, $0x1429296706ca6351
DATA k<>+128(SB)/8, $0x2e1b213827b70a85
DATA k<>+136(SB)/8, $0x53380d134d2c6dfc
DATA k<>+144(SB)/8, $0x766a0abb650a7354
DATA k<>+152(SB)/8, $0x92722c8581c2c92e
DATA k<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA k<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA k<>+176(SB)/8, $0xd6990624d192e819
DATA k<>+184(SB)/8, $0x106aa070f40e3585
DATA k<>+192(SB)/8, $0x1e376c0819a4c116
DATA k<>+200(SB)/8, $0x34b0bcb52748774c
DATA k<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA k<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA k<>+224(SB)/8, $0x78a5636f748f82ee
DATA k<>+232(SB)/8, $0x8cc7020884c87814
DATA k<>+240(SB)/8, $0xa4506ceb90befffa
DATA k<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL k<>(SB), RODATA|NOPTR, $256

// IN turns eight words in memory into a state of two vectors.
#define IN(from, s0, s1, tmp) \
	MOVOU   (from), s0; \
	MOVOU   16(from), s1; \
	PSHUFD  $0xb1, s0, s0; \
	PSHUFD  $0x1b, s1, s1; \
	MOVO    s0, tmp; \
	PALIGNR $8, s1, s0; \
	PBLENDW $0xf0, tmp, s1

// OUT is the inverse of IN.
#define OUT(to, s0, s1, tmp) \
	PSHUFD  $0x1b, s0, s0; \
	PSHUFD  $0xb1, s1, s1; \
	MOVO    s0, tmp; \
	PBLENDW $0xf0, s1, s0; \
	PALIGNR $8, tmp, s1; \
	MOVOU   s0, (to); \
	MOVOU   s1, 16(to)

// LOAD reads four words of a block.
#define LOAD(from, i, m) \
	MOVOU  (i*16)(from), m; \
	PSHUFB X15, m

// QUAD1 and QUAD2 are the rounds 4i to 4i+3 of one message and of two. Rounds wait
// for those of their own message only.
#define QUAD1(i, m) \
	MOVO        m, X0; \
	PADDD       (i*16)(AX), X0; \
	SHA256RNDS2 X0, X1, X2; \
	PSHUFD      $0x0e, X0, X0; \
	SHA256RNDS2 X0, X2, X1

#define QUAD2(i, m, n) \
	MOVO        m, X7; \
	PADDD       (i*16)(AX), X7; \
	MOVO        n, X14; \
	PADDD       (i*16)(AX), X14; \
	MOVO        X7, X0; \
	SHA256RNDS2 X0, X1, X2; \
	MOVO        X14, X0; \
	SHA256RNDS2 X0, X8, X9; \
	PSHUFD      $0x0e, X7, X0; \
	SHA256RNDS2 X0, X2, X1; \
	PSHUFD      $0x0e, X14, X0; \
	SHA256RNDS2 X0, X9, X8

// BEGIN starts the four words that come twelve rounds after m, in the place of
// before; NEXT ends those that follow on m, which BEGIN started in their place.
#define BEGIN(before, m) SHA256MSG1 m, before

#define NEXT(before, m, next, tmp) \
	MOVO       m, tmp; \
	PALIGNR    $4, before, tmp; \
	PADDD      tmp, next; \
	SHA256MSG2 m, next

#define BEGIN2(a, b, c, d) BEGIN(a, b); BEGIN(c, d)
#define NEXT2(a, b, c, d, e, f) NEXT(a, b, c, X7); NEXT(d, e, f, X14)

// func one(s *State, p *byte, n int)
TEXT ·one(SB), NOSPLIT, $0-24
	MOVQ s+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	LEAQ k<>(SB), AX
	MOVOU flip<>(SB), X15
	IN(DI, X1, X2, X7)

oneBlock:
	MOVO X1, X8
	MOVO X2, X9

	LOAD(SI, 0, X3)
	QUAD1(0, X3)
	LOAD(SI, 1, X4)
	QUAD1(1, X4)
	BEGIN(X3, X4)
	LOAD(SI, 2, X5)
	QUAD1(2, X5)
	BEGIN(X4, X5)
	LOAD(SI, 3, X6)
	QUAD1(3, X6)
	NEXT(X5, X6, X3, X7)
	BEGIN(X5, X6)
	QUAD1(4, X3)
	NEXT(X6, X3, X4, X7)
	BEGIN(X6, X3)
	QUAD1(5, X4)
	NEXT(X3, X4, X5, X7)
	BEGIN(X3, X4)
	QUAD1(6, X5)
	NEXT(X4, X5, X6, X7)
	BEGIN(X4, X5)
	QUAD1(7, X6)
	NEXT(X5, X6, X3, X7)
	BEGIN(X5, X6)
	QUAD1(8, X3)
	NEXT(X6, X3, X4, X7)
	BEGIN(X6, X3)
	QUAD1(9, X4)
	NEXT(X3, X4, X5, X7)
	BEGIN(X3, X4)
	QUAD1(10, X5)
	NEXT(X4, X5, X6, X7)
	BEGIN(X4, X5)
	QUAD1(11, X6)
	NEXT(X5, X6, X3, X7)
	BEGIN(X5, X6)
	QUAD1(12, X3)
	NEXT(X6, X3, X4, X7)
	BEGIN(X6, X3)
	QUAD1(13, X4)
	NEXT(X3, X4, X5, X7)
	QUAD1(14, X5)
	NEXT(X4, X5, X6, X7)
	QUAD1(15, X6)

	PADDD X8, X1
	PADDD X9, X2
	ADDQ  $64, SI
	DECQ  CX
	JNZ   oneBlock

	OUT(DI, X1, X2, X7)
	RET

// func two(s, t *State, p, q *byte, n int)
TEXT ·two(SB), NOSPLIT, $64-40
	MOVQ s+0(FP), DI
	MOVQ t+8(FP), R8
	MOVQ p+16(FP), SI
	MOVQ q+24(FP), R9
	MOVQ n+32(FP), CX
	LEAQ k<>(SB), AX
	MOVOU flip<>(SB), X15
	IN(DI, X1, X2, X7)
	IN(R8, X8, X9, X14)

twoBlocks:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)
	MOVOU X8, 32(SP)
	MOVOU X9, 48(SP)

	LOAD(SI, 0, X3)
	LOAD(R9, 0, X10)
	QUAD2(0, X3, X10)
	LOAD(SI, 1, X4)
	LOAD(R9, 1, X11)
	QUAD2(1, X4, X11)
	BEGIN2(X3, X4, X10, X11)
	LOAD(SI, 2, X5)
	LOAD(R9, 2, X12)
	QUAD2(2, X5, X12)
	BEGIN2(X4, X5, X11, X12)
	LOAD(SI, 3, X6)
	LOAD(R9, 3, X13)
	QUAD2(3, X6, X13)
	NEXT2(X5, X6, X3, X12, X13, X10)
	BEGIN2(X5, X6, X12, X13)
	QUAD2(4, X3, X10)
	NEXT2(X6, X3, X4, X13, X10, X11)
	BEGIN2(X6, X3, X13, X10)
	QUAD2(5, X4, X11)
	NEXT2(X3, X4, X5, X10, X11, X12)
	BEGIN2(X3, X4, X10, X11)
	QUAD2(6, X5, X12)
	NEXT2(X4, X5, X6, X11, X12, X13)
	BEGIN2(X4, X5, X11, X12)
	QUAD2(7, X6, X13)
	NEXT2(X5, X6, X3, X12, X13, X10)
	BEGIN2(X5, X6, X12, X13)
	QUAD2(8, X3, X10)
	NEXT2(X6, X3, X4, X13, X10, X11)
	BEGIN2(X6, X3, X13, X10)
	QUAD2(9, X4, X11)
	NEXT2(X3, X4, X5, X10, X11, X12)
	BEGIN2(X3, X4, X10, X11)
	QUAD2(10, X5, X12)
	NEXT2(X4, X5, X6, X11, X12, X13)
	BEGIN2(X4, X5, X11, X12)
	QUAD2(11, X6, X13)
	NEXT2(X5, X6, X3, X12, X13, X10)
	BEGIN2(X5, X6, X12, X13)
	QUAD2(12, X3, X10)
	NEXT2(X6, X3, X4, X13, X10, X11)
	BEGIN2(X6, X3, X13, X10)
	QUAD2(13, X4, X11)
	NEXT2(X3, X4, X5, X10, X11, X12)
	QUAD2(14, X5, X12)
	NEXT2(X4, X5, X6, X11, X12, X13)
	QUAD2(15, X6, X13)

	MOVOU 0(SP), X7
	PADDD X7, X1
	MOVOU 16(SP), X7
	PADDD X7, X2
	MOVOU 32(SP), X14
	PADDD X14, X8
	MOVOU 48(SP), X14
	PADDD X14, X9
	ADDQ  $64, SI
	ADDQ  $64, R9
	DECQ  CX
	JNZ   twoBlocks

	OUT(DI, X1, X2, X7)
	OUT(R8, X8, X9, X14)

	// What lies here may have come from a key.
	PXOR  X0, X0
	MOVOU X0, 0(SP)
	MOVOU X0, 16(SP)
	MOVOU X0, 32(SP)
	MOVOU X0, 48(SP)
	RET

// func cpuid(leaf, sub uint32) (a, b, c, d uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, a+8(FP)
	MOVL BX, b+12(FP)
	MOVL CX, c+16(FP)
	MOVL DX, d+20(FP)
	RET
