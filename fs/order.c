/* A fixed number of read-write locks; objects share them by hash. */
#include "confdefs.h"

#include <assert.h>
#include <pthread.h>

#include "fs/order.h"

#define STRIPES 1024u

static pthread_rwlock_t tree_lock =
	PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static pthread_rwlock_t stripes[STRIPES] = {
	[0 ... STRIPES - 1] = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
};

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
	if (tree == ORDER_EXCLUSIVE)
		pthread_rwlock_wrlock(&tree_lock);
	else
		pthread_rwlock_rdlock(&tree_lock);
	for (unsigned i = 0; i < o->n; i++)
		pthread_rwlock_wrlock(&stripes[o->stripe[i]]);
}

void order_unlock(struct order *o)
{
	for (unsigned i = o->n; i-- > 0;)
		pthread_rwlock_unlock(&stripes[o->stripe[i]]);
	pthread_rwlock_unlock(&tree_lock);
}

void order_look(uint32_t hash)
{
	pthread_rwlock_rdlock(&stripes[hash % STRIPES]);
}

void order_looked(uint32_t hash)
{
	pthread_rwlock_unlock(&stripes[hash % STRIPES]);
}
