/* The order of an epoch: pages, page target, holders, destruction, certificate.
 *
 * One process is the ledger. It erases two subjects, one epoch after the other,
 * and may stop after every step that something outside of it can see, CRASHES
 * times in all; then it recovers, as keystore.Open does, and goes on. Once its
 * disk may be lost as well: then there is what a backup of the first epoch and the
 * page target have. What a crash finds on the way to a holder may reach it later.
 *
 * What must hold:
 *   available  recovery always finds an epoch that all holders have a share of
 *              and whose pages are there: nobody is erased by accident;
 *   sound      once an erasure is certified, nobody who has every page that was
 *              ever written, and everything that the holders' media show, torn
 *              slots too, has a root of an epoch in which the subject's key was.
 *
 * With two holders (-DHOLDERS=2) the second never forgets what it was given, and
 * states that it has: one honest destruction suffices. Each mutant below is one
 * mistake, which must be found; some take two holders.
 *
 *   ROOT_BEFORE_PAGES    the holders get the root before its pages are durable
 *   NOT_SHIPPED          the old root dies before the page target has the pages
 *   OLD_PAGES_EARLY      the old pages are removed before every holder has its share
 *   LIVE_OVERWRITTEN     a holder has one slot, and overwrites the live share
 *   DESTROY_BEFORE_ALL   a holder destroys its old share as soon as it has the new
 *   TRUST_PENDING        with ROOT_BEFORE_PAGES and FALL_BACK: recovery takes pages
 *                        that it sees for durable ones
 *   ANY_HOLDER           recovery takes the highest epoch that some holder has
 *   CERTIFY_EARLY        the certificate comes before the destruction
 *   TORN_IS_EMPTY        a slot that does not parse is taken for an empty one
 *   ABORT_PAGES_FIRST    giving up removes the pages before the holders' shares
 *   NOT_WIPED            recovery leaves beside the live share what it finds there
 *   LATE_MESSAGES        a holder does what a connection asked for that is gone
 *   EPOCH_ONLY           with LATER_LEFT: holders tell shares apart by epoch, not by
 *                        attempt
 *
 * REACH finds a history in which everything happens that can: the model is not empty.
 *
 * These are not mistakes, and must not be found: they show that it is the mutant
 * beside them that does the harm.
 *
 *   FALL_BACK            with ROOT_BEFORE_PAGES: where the pages of the newest epoch
 *                        are not there, recovery takes the one before
 *   LATER_LEFT           recovery leaves a later share for the next attempt to meet
 */
#ifndef HOLDERS
#define HOLDERS 1
#endif
#ifndef CRASHES
#define CRASHES 3
#endif
#define JOBS 2
#define ATTEMPTS 5		/* 0 is the epoch in which both subjects live */
#define NONE 255

/* the rows */
#define ABSENT 0
#define QUEUED 1		/* visible, gone with the power */
#define DURABLE 2
byte rows[ATTEMPTS];
bool shipped[ATTEMPTS];
bool written[ATTEMPTS];		/* ever; somebody may have a copy */

byte epoch[ATTEMPTS];
byte erases[ATTEMPTS];		/* the pages of an attempt lack the keys of subjects 1…erases */
byte last;			/* attempt */
byte cur;			/* attempt that is live */

/* the holders: two slots each */
byte slot[2*HOLDERS] = NONE;
bool torn[2*HOLDERS];		/* does not parse, though somebody may still read it */
bool given[ATTEMPTS];		/* to a second holder that never forgets */

/* a message that was under way in a crash */
#define PREPARE 1
#define DESTROY 2
byte late = 0, lateHolder, lateAttempt;

byte crashes, losses, certified, job = 1;
byte a, h, i, best;
bool found, same, given_up;

#define HAS(h, a) ((slot[2*(h)] == (a) && !torn[2*(h)]) || (slot[2*(h)+1] == (a) && !torn[2*(h)+1]))
#define SHOWS(h, a) (slot[2*(h)] == (a) || slot[2*(h)+1] == (a))
#if HOLDERS == 1
#define ALL_HAVE(a) HAS(0, a)
#define ALL_SHOW(a) SHOWS(0, a)
#else
#define ALL_HAVE(a) (HAS(0, a) && HAS(1, a))
#define ALL_SHOW(a) (SHOWS(0, a) && given[a])
#endif
#define READABLE(a) (written[a] && erases[a] < certified && ALL_SHOW(a))
#define SOUND (!(READABLE(0) || READABLE(1) || READABLE(2) || READABLE(3) || READABLE(4)))

/* A crash may come here. */
#ifndef LATE_MESSAGES
#define STEP \
	assert(SOUND); \
	if \
	:: crashes < CRASHES -> crashes++; goto restart \
	:: true \
	fi
#else				/* and a message that was late may arrive */
#define STEP \
	assert(SOUND); \
	if \
	:: crashes < CRASHES -> crashes++; goto restart \
	:: late == PREPARE -> prepare(lateHolder, lateAttempt); late = 0 \
	:: late == DESTROY -> destroy(lateHolder, lateAttempt); late = 0 \
	:: true \
	fi
#endif

/* A crash while a message is under way to a holder: it has not arrived yet. */
inline send(what, H, A) {
	if
	:: crashes < CRASHES && late == 0 ->
		atomic { crashes++; late = what; lateHolder = H; lateAttempt = A };
		goto restart
	:: true
	fi
}

/* What a holder does with Prepare: the slot that is free is overwritten, unless the
 * share is there, or there is none free, or it is not later than what is live. */
inline prepare(H, A) {
	atomic {
		i = NONE;
		if
#ifdef EPOCH_ONLY
		:: slot[2*H] != NONE && !torn[2*H] && epoch[slot[2*H]] == epoch[A] -> skip
		:: slot[2*H+1] != NONE && !torn[2*H+1] && epoch[slot[2*H+1]] == epoch[A] -> skip
#else
		:: HAS(H, A) -> skip
#endif
		:: else ->
			if
			:: (slot[2*H] == NONE || torn[2*H]) && slot[2*H+1] != NONE && !torn[2*H+1] && epoch[slot[2*H+1]] < epoch[A] -> i = 2*H
			:: (slot[2*H+1] == NONE || torn[2*H+1]) && slot[2*H] != NONE && !torn[2*H] && epoch[slot[2*H]] < epoch[A] -> i = 2*H+1
			:: else
			fi
		fi;
#ifdef LIVE_OVERWRITTEN
		i = 2*H;
#endif
	}
	if
	:: i != NONE ->
		/* Interrupted, it shows the old share, or the new one, and parses as neither. */
		torn[i] = true;
		if
		:: crashes < CRASHES -> crashes++; goto restart
		:: crashes < CRASHES -> crashes++; slot[i] = A; given[A] = (given[A] || H == 1); goto restart
		:: true
		fi;
		atomic { slot[i] = A; torn[i] = false; given[A] = (given[A] || H == 1) }
	:: else
	fi
}

/* What a holder does with Destroy: it refuses a share that it does not have, and
 * overwrites everything else. */
inline destroy(H, A) {
	atomic {
		i = NONE;
		if
#ifdef EPOCH_ONLY
		:: slot[2*H] != NONE && !torn[2*H] && epoch[slot[2*H]] == epoch[A] -> i = 2*H+1
		:: slot[2*H+1] != NONE && !torn[2*H+1] && epoch[slot[2*H+1]] == epoch[A] -> i = 2*H
#else
		:: slot[2*H] == A && !torn[2*H] -> i = 2*H+1
		:: slot[2*H+1] == A && !torn[2*H+1] -> i = 2*H
#endif
		:: else
		fi;
#ifdef TORN_IS_EMPTY
		if
		:: i != NONE && torn[i] -> i = NONE
		:: else
		fi;
#endif
		skip
	}
	if
	:: i != NONE && slot[i] != NONE ->
		torn[i] = true;
		if
		:: crashes < CRASHES -> crashes++; goto restart
		:: true
		fi;
		atomic { slot[i] = NONE; torn[i] = false }
	:: else
	fi
}

#define LATER_IN(i, a) (slot[i] != NONE && !torn[i] && epoch[slot[i]] > epoch[a])
#define LATER(H, a) (LATER_IN(2*(H), a) || LATER_IN(2*(H)+1, a))

#ifdef EPOCH_ONLY
#define DESTROYED(H, A) (slot[2*(H)] == NONE || slot[2*(H)+1] == NONE)
#else
#define DESTROYED(H, A) (HAS(H, A) && (slot[2*(H)] == NONE || slot[2*(H)+1] == NONE))
#endif

/* Which epoch recovery takes: the highest whose share every holder has, from one
 * attempt, if its pages are there. */
inline choose() {
	atomic {
		best = NONE; a = 0;
		do
		:: a <= last ->
#if defined(ANY_HOLDER) && HOLDERS == 2
			same = HAS(0, a) || HAS(1, a);
#else
			same = ALL_HAVE(a);
#endif
			if
#ifdef FALL_BACK		/* to an older epoch, where it sees no pages of the newest */
			:: same && rows[a] != ABSENT && (best == NONE || epoch[a] > epoch[best]) -> best = a
#else
			:: same && (best == NONE || epoch[a] > epoch[best]) -> best = a
			:: same && best != NONE && epoch[a] == epoch[best] && rows[a] == DURABLE -> best = a
#endif
			:: else
			fi;
			a++
		:: else -> break
		od;
		a = 0
	}
}

/* What the power, or the disk, takes with it. */
inline lose() {
	a = 0;
	do
	:: a <= last ->
		if
		:: rows[a] == QUEUED -> rows[a] = ABSENT
		:: rows[a] == QUEUED -> rows[a] = DURABLE
		:: else
		fi;
		a++
	:: else -> break
	od
}

active proctype ledger() {
	/* the first epoch, made before anybody was in it */
	atomic {
		rows[0] = DURABLE; written[0] = true; shipped[0] = true; given[0] = true;
		h = 0;
		do
		:: h < HOLDERS -> slot[2*h] = 0; h++
		:: else -> break
		od;
		h = 0
	}
	goto work;

restart:
	assert(SOUND);
#ifndef LATE_MESSAGES
	/* Whoever connects anew is alone: what came before it is done, or never will be. */
	if
	:: late == PREPARE -> late = 0; prepare(lateHolder, lateAttempt)
	:: late == DESTROY -> late = 0; destroy(lateHolder, lateAttempt)
	:: late = 0
	fi;
	lateHolder = 0; lateAttempt = 0;
#endif
	if
	:: true -> lose()
#ifdef TRUST_PENDING
	:: true			/* only the process died: what it queued is still to be seen */
#endif
	:: losses < 1 ->	/* the disk is gone: a backup, and what was shipped */
		atomic {
			losses++; a = 0;
			do
			:: a <= last && shipped[a] -> rows[a] = DURABLE; a++
			:: a <= last && !shipped[a] -> rows[a] = ABSENT; a++
			:: else -> break
			od;
			a = 0
		}
	fi;
	choose();
	assert(best != NONE);				/* available: a root is there */
#ifdef TRUST_PENDING
	assert(rows[best] != ABSENT);
#else
	assert(rows[best] == DURABLE);			/* available: and its pages */
#endif
	cur = best;
#ifndef NOT_WIPED
	h = 0;
	do
#ifdef LATER_LEFT
	:: h < HOLDERS && LATER(h, cur) -> h++
	:: h < HOLDERS && !LATER(h, cur) ->
#else
	:: h < HOLDERS ->
#endif
		send(DESTROY, h, cur);
		destroy(h, cur);
		STEP;
		h++
	:: else -> break
	od;
#endif
	atomic {	/* rows that no root opens */
		a = 0;
		do
		:: a <= last && a != cur -> rows[a] = ABSENT; a++
		:: a <= last && a == cur -> a++
		:: else -> break
		od;
		a = 0
	}
	if
	:: erases[cur] >= job -> goto record		/* the erasure is done */
	:: else
	fi;

work:
	if
	:: job > JOBS || last == ATTEMPTS-1 -> goto done
	:: else
	fi;
	atomic {
		last++;
		epoch[last] = epoch[cur] + 1; erases[last] = job;
		rows[last] = QUEUED; written[last] = true
	}
	STEP;
#ifndef ROOT_BEFORE_PAGES
	rows[last] = DURABLE;
	STEP;
#endif
#ifndef NOT_SHIPPED
	shipped[last] = true;
	STEP;
#endif
	given_up = false;
	if
	:: goto give_up
	:: true
	fi;
#ifdef OLD_PAGES_EARLY
	rows[cur] = ABSENT;
	STEP;
#endif
#ifdef CERTIFY_EARLY
	certified = job;
	STEP;
#endif
	h = 0;
	do
	:: h < HOLDERS ->
		send(PREPARE, h, last);
		prepare(h, last);
		STEP;
		if
#ifdef EPOCH_ONLY
		:: true
#else
		:: !HAS(h, last) -> goto give_up	/* refused */
		:: HAS(h, last)
		:: HAS(h, last) -> goto give_up		/* its answer was lost */
#endif
		fi;
#ifdef DESTROY_BEFORE_ALL
		destroy(h, last);
		STEP;
#endif
		h++
	:: else -> break
	od;
	/* From here on only forward. */
#ifdef ROOT_BEFORE_PAGES
	rows[last] = DURABLE;
	STEP;
#endif
#if HOLDERS > 1 && !defined(EPOCH_ONLY)			/* one that is alone refuses */
	if
	:: !ALL_HAVE(last) -> goto restart		/* looked for once more */
	:: else
	fi;
#endif
	h = 0;
	do
	:: h < HOLDERS ->
		send(DESTROY, h, last);
		destroy(h, last);
		STEP;
		if
		:: DESTROYED(h, last)
		:: !DESTROYED(h, last) -> goto restart	/* refused; nothing is certified */
		fi;
		h++
	:: else -> break
	od;
	rows[cur] = ABSENT;
	cur = last;

record:
	certified = job;
	job++;
	STEP;
	goto work;

give_up:
#ifdef ABORT_PAGES_FIRST
	rows[last] = ABSENT;
	STEP;
#endif
	h = 0;
	do
	:: h < HOLDERS ->
		send(DESTROY, h, cur);
		destroy(h, cur);
		STEP;
		h++
	:: else -> break
	od;
	rows[last] = ABSENT;
	STEP;
	goto work;

done:
#ifdef REACH
	assert(!(certified == JOBS && crashes == CRASHES && losses == 1));
#endif
	/* and it opens once more */
	if
	:: crashes <= CRASHES -> crashes = CRASHES + 1; goto restart
	:: else
	fi
}
