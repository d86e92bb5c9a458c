/*
 * A fixed number of read-write locks; objects share them by hash.
 *
 * The locks prefer who wants one alone, and go from one of those to the next
 * as long as there are any: three that come again and again would keep all
 * others out. So they queue for their turn at a mutex, and whoever came in
 * shared meanwhile has it between two turns.
 */
#include "confdefs.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

#include "fs/order.h"

#define STRIPES 1024u

struct lock {
	pthread_mutex_t turn; /* of those who want it alone */
	pthread_rwlock_t rw;
};

#define LOCK_INIT                                                              \
	{                                                                      \
		PTHREAD_MUTEX_INITIALIZER,                                     \
			PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,     \
	}

static struct lock tree_lock = LOCK_INIT;
static struct lock stripes[STRIPES] = {[0 ... STRIPES - 1] = LOCK_INIT};

static __thread bool barred;

void order_bar(void)
{
	barred = true;
}

void order_unbar(void)
{
	barred = false;
}

static void lock_alone(struct lock *l)
{
	pthread_mutex_lock(&l->turn);
	pthread_rwlock_wrlock(&l->rw);
}

static void unlock_alone(struct lock *l)
{
	pthread_rwlock_unlock(&l->rw);
	pthread_mutex_unlock(&l->turn);
}

void order_add(struct order *o, uint32_t hash)
{
	uint16_t stripe = hash % STRIPES;
	unsigned at = o->n;
	for (unsigned i = 0; i < o->n; i++) {
		if (o->stripe[i] == stripe)
			return;
	}
	assert(o->n < ORDER_OBJECTS);
	while (at > 0 && o->stripe[at - 1] > stripe) {
		o->stripe[at] = o->stripe[at - 1];
		at--;
	}
	o->stripe[at] = stripe;
	o->n++;
}

void order_lock(struct order *o, enum order_tree tree)
{
	assert(!barred);
	o->tree = tree;
	if (tree == ORDER_EXCLUSIVE)
		lock_alone(&tree_lock);
	else
		pthread_rwlock_rdlock(&tree_lock.rw);
	for (unsigned i = 0; i < o->n; i++)
		lock_alone(&stripes[o->stripe[i]]);
}

void order_unlock(struct order *o)
{
	for (unsigned i = o->n; i-- > 0;)
		unlock_alone(&stripes[o->stripe[i]]);
	if (o->tree == ORDER_EXCLUSIVE)
		unlock_alone(&tree_lock);
	else
		pthread_rwlock_unlock(&tree_lock.rw);
}

void order_look(uint32_t hash)
{
	assert(!barred);
	pthread_rwlock_rdlock(&stripes[hash % STRIPES].rw);
}

void order_looked(uint32_t hash)
{
	pthread_rwlock_unlock(&stripes[hash % STRIPES].rw);
}
