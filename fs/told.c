/*
 * Each inode has the thread that was told of its attributes since the last
 * notification, or TOLD_MANY.
 *
 * The one who tells looks and then notes that, or notes it and then looks; the
 * one who changes them counts the change before it looks for a note. So if
 * the second misses the note of the first, the first sees another count.
 */
#include "confdefs.h"

#include "fs/kept.h"
#include "fs/ops.h"
#include "fs/told.h"

static _Atomic unsigned changes;

void told_note(struct inode *i)
{
	_Atomic uint32_t *told = inode_told(i);
	uint32_t caller = flight_caller(flight_now());
	uint32_t had = *told, now;
	do {
		now = caller && (had == 0 || had == caller) ? caller
							    : TOLD_MANY;
	} while (had != now && !atomic_compare_exchange_weak(told, &had, now));
}

unsigned told_changes(void)
{
	return changes;
}

void told_changed(struct inode *i)
{
	uint32_t caller = flight_caller(flight_now());
	if (!i)
		return;
	changes++;
	_Atomic uint32_t *told = inode_told(i);
	uint32_t had = *told;
	if (had == 0 || had == caller)
		return;
	*told = 0; /* first: who is told meanwhile may be told too early */
	op_forget_attributes(i);
}
