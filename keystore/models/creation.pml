/* Keys that are made, and events that are sealed, while an epoch copies their page.
 *
 * Two writers make a key each, on the page on which a third person's key is being
 * erased, and seal an event under it; a fourth writer seals an event under the key
 * that is to be erased. One process takes the steps of all of them in any order:
 * each guarded line is what the code does under one lock. Rows reach the disk in
 * the order in which they were queued, a group at once or not at all. CRASHES times
 * everything in memory and in the queue is lost, and recovery takes the page that
 * the holder's root opens.
 *
 * What must hold:
 *   covered    an event that is in the log has a key on the live page, unless the
 *              person was erased;
 *   answered   no event of an erased person gets into the log once the erasure is
 *              certified.
 *
 * Each mutant is one mistake; it must be found.
 *
 *   NO_DUAL_WRITE     a key that is made while the page is copied goes to the old one
 *   TWO_GROUPS        it goes to both, one after the other
 *   COPY_NOT_LATCHED  a key may be made between the copying and the announcement
 *   KEY_AFTER_EVENT   a key is queued after the event that it seals
 *   NOT_DRAINED       an erasure does not wait for who has the key in use
 *   SWAP_TOO_EARLY    the holder gets the new root before the copy is durable
 *
 * REACH finds a history in which everything happens that can: the model is not empty.
 *
 * This is not a mistake, and must not be found, because the queue keeps its order:
 *
 *   DONE_WHEN_QUEUED  who has a key in use lets go of it before the event is durable
 */
#ifndef CRASHES
#define CRASHES 3
#endif

/* What the rows say, one bit each. */
#define OLD(k) (1 << (k))	/* key k is on the old page */
#define NEW(k) (4 << (k))	/* key k is on the new page */
#define EVENT(k) (16 << (k))	/* the event sealed under key k */
#define COPY 64			/* the new page */
#define LAST 128		/* the event under the key that is erased */
byte disk;
chan queue = [6] of { byte };

/* Memory. What a crash takes. */
bool inOld[2], inNew[2];	/* keys on the pages as they are in memory */
bool shaped;			/* the new page is there, and written to */
bool sealed;			/* its image was queued */
bool swapped;			/* it is the live one */
byte writer[2];			/* 0 nothing, 1 key made, 2 queued */
byte last;			/* 0 nothing, 1 has the key in use, 2 queued */
byte lent;			/* how many have the key in use that is erased */
byte eraser;

/* The holder, and what the world was told. */
bool holdsOld = true, holdsNew;
bool certified;
byte crashes;

#define KEYS_ON_NEW ((inNew[0] -> NEW(0) : 0) | (inNew[1] -> NEW(1) : 0))
#define KEYS_ON_OLD ((inOld[0] -> OLD(0) : 0) | (inOld[1] -> OLD(1) : 0))
/* A page that was not sealed yet goes in whole. */
#define ROWS_OF_NEW ((shaped || swapped) -> (COPY | KEYS_ON_NEW) : 0)

#define MAKE(k) \
	:: writer[k] == 0 && !(disk & EVENT(k)) -> atomic { \
		if \
		:: !swapped -> inOld[k] = true \
		:: else \
		fi; \
		if \
		:: NEW_IS_WRITTEN -> inNew[k] = true \
		:: else \
		fi; \
		writer[k] = 1 \
	}
#ifdef NO_DUAL_WRITE
#define NEW_IS_WRITTEN swapped
#else
#define NEW_IS_WRITTEN (shaped || swapped)
#endif

#if defined(KEY_AFTER_EVENT)
#define QUEUE(k) queue!EVENT(k); queue!(KEYS_ON_OLD | ROWS_OF_NEW)
#elif defined(TWO_GROUPS)
#define QUEUE(k) \
	if \
	:: swapped -> queue!(EVENT(k) | ROWS_OF_NEW) \
	:: else -> queue!(EVENT(k) | KEYS_ON_OLD); queue!ROWS_OF_NEW \
	fi
#elif defined(NO_DUAL_WRITE)
#define QUEUE(k) queue!(EVENT(k) | KEYS_ON_OLD | (swapped -> ROWS_OF_NEW : 0))
#else
#define QUEUE(k) queue!(EVENT(k) | KEYS_ON_OLD | ROWS_OF_NEW); sealed = (sealed || shaped)
#endif

#define WRITE(k) :: writer[k] == 1 && nfull(queue) && len(queue) < 5 -> atomic { QUEUE(k); writer[k] = 2 }

#define COVERED(k) (!(disk & EVENT(k)) || (holdsNew && !holdsOld -> (disk & NEW(k)) != 0 : (disk & OLD(k)) != 0))

active proctype everybody() {
	byte group;
	do
	MAKE(0)
	MAKE(1)
	WRITE(0)
	WRITE(1)

	/* the fourth writer: it has the key in use until its event is durable */
	:: last == 0 && eraser == 0 && !certified && !(disk & LAST) -> atomic { lent++; last = 1 }
	:: last == 1 && len(queue) < 5 -> atomic {
		queue!LAST; last = 2;
#ifdef DONE_WHEN_QUEUED
		lent--
#endif
	}

	/* the disk */
	:: nempty(queue) -> atomic {
		queue?group;
		disk = disk | group;
		if
		:: group == LAST ->
			assert(!certified);		/* answered */
#ifndef DONE_WHEN_QUEUED
			lent--;
#endif
			last = 3
		:: else
		fi;
		group = 0
	}

	/* the erasure */
	:: eraser == 0 -> eraser = 1			/* fenced: nobody gets the key any more */
#ifdef NOT_DRAINED
	:: eraser == 1 -> eraser = 2
#else
	:: eraser == 1 && lent == 0 -> eraser = 2
#endif
	:: eraser == 2 -> atomic {			/* copied, but for the key that is erased */
		inNew[0] = inOld[0]; inNew[1] = inOld[1];
#ifndef COPY_NOT_LATCHED
		shaped = true;
#endif
		eraser = 3
	}
	:: eraser == 3 && len(queue) < 5 -> atomic {
		shaped = true;
		if
		:: !sealed -> queue!(COPY | KEYS_ON_NEW); sealed = true
		:: else
		fi;
		eraser = 4
	}
#ifdef SWAP_TOO_EARLY
	:: eraser == 4 -> atomic { holdsNew = true; eraser = 5 }
#else
	:: eraser == 4 && (disk & COPY) -> atomic { holdsNew = true; eraser = 5 }
#endif
	:: eraser == 5 -> atomic { holdsOld = false; eraser = 6 }
	:: eraser == 6 -> atomic {
		assert(COVERED(0) && COVERED(1));
		shaped = false; swapped = true; inOld[0] = false; inOld[1] = false;
		eraser = 7
	}
	:: eraser == 7 -> atomic { certified = true; eraser = 8 }

	/* the power */
	:: crashes < CRASHES -> atomic {
		crashes++;
		do
		:: nempty(queue) -> queue?group
		:: empty(queue) -> break
		od;
		group = 0;
		if
		:: holdsNew ->				/* forward */
			assert(disk & COPY);
			holdsOld = false; swapped = true; eraser = 7;
			inOld[0] = false; inOld[1] = false;
			inNew[0] = ((disk & NEW(0)) != 0); inNew[1] = ((disk & NEW(1)) != 0)
		:: else ->				/* back */
			disk = disk & (255 - COPY - NEW(0) - NEW(1));
			eraser = (eraser > 0 -> 1 : 0);	/* the fence is durable */
			inOld[0] = ((disk & OLD(0)) != 0); inOld[1] = ((disk & OLD(1)) != 0);
			inNew[0] = false; inNew[1] = false
		fi;
		assert(COVERED(0) && COVERED(1));
		shaped = false; sealed = swapped; lent = 0;
		writer[0] = 0; writer[1] = 0; last = 0
	}
#ifdef REACH
	:: certified && crashes == CRASHES && (disk & (EVENT(0)|EVENT(1)|LAST)) == (EVENT(0)|EVENT(1)|LAST) -> assert(false)
#endif
	:: certified && (disk & EVENT(0)) && (disk & EVENT(1)) && empty(queue) && crashes == CRASHES -> break
	od
}
