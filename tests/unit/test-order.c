/*
 * The order locks under several threads: objects that were locked together
 * are changed together, whatever the order in which they were named, and
 * nobody is kept out by others who come again and again.
 */
#include "confdefs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/order.h"

#define OBJECTS 6
#define THREADS 4
#define ROUNDS	20000

static long counter[OBJECTS];	   /* guard: the object's order lock */
static long seldom, seldom_shadow; /* guard: the tree lock, exclusive */

static void *run(void *arg)
{
	unsigned seed = *(unsigned *)arg;
	for (int n = 0; n < ROUNDS; n++) {
		struct order o = ORDER_INIT;
		bool touched[OBJECTS] = {false};
		bool exclusive = n % 97 == 0;
		for (int k = 0; k < 3; k++) {
			unsigned object = (unsigned)rand_r(&seed) % OBJECTS;
			/* far apart by hash, two of them on one stripe */
			order_add(&o, object % 5 * 7919);
			touched[object] = true;
		}
		order_lock(&o, exclusive ? ORDER_EXCLUSIVE : ORDER_SHARED);
		for (int k = 0; k < OBJECTS; k++) {
			if (touched[k])
				counter[k]++;
		}
		if (exclusive) {
			seldom++;
			seldom_shadow++;
		}
		if (seldom != seldom_shadow)
			abort();
		order_unlock(&o);
		order_look(n % 5 * 7919);
		order_looked(n % 5 * 7919);
	}
	return NULL;
}

static long expected(unsigned seed)
{
	long sum = 0;
	for (int n = 0; n < ROUNDS; n++) {
		bool touched[OBJECTS] = {false};
		for (int k = 0; k < 3; k++)
			touched[(unsigned)rand_r(&seed) % OBJECTS] = true;
		for (int k = 0; k < OBJECTS; k++)
			sum += touched[k];
	}
	return sum;
}

static void nothing_is_lost(void **state)
{
	pthread_t threads[THREADS];
	unsigned seeds[THREADS];
	long sum = 0, want = 0;
	for (unsigned t = 0; t < THREADS; t++) {
		seeds[t] = t + 1;
		want += expected(seeds[t]);
		assert_int_equal(
			0, pthread_create(&threads[t], NULL, run, &seeds[t]));
	}
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (int k = 0; k < OBJECTS; k++)
		sum += counter[k];
	assert_int_equal(sum, want);
	assert_int_equal(seldom, (ROUNDS + 96) / 97 * THREADS);
}

static void each_stripe_once(void **state)
{
	struct order o = ORDER_INIT;
	order_add(&o, 30);
	order_add(&o, 10);
	order_add(&o, 20);
	order_add(&o, 10);
	assert_int_equal(o.n, 3);
	assert_true(o.stripe[0] < o.stripe[1] && o.stripe[1] < o.stripe[2]);
	order_lock(&o, ORDER_SHARED);
	order_unlock(&o);
}

#define CROWD	  3    /* of them one always waits */
#define CROWD_MAX 1000 /* times that they may have it first */
#define GUESTS	  50
#define HOLD_US	  2000

static _Atomic unsigned inside; /* guests that were let in */
static _Atomic unsigned rounds;
static enum order_tree crowd_tree; /* constant while they run */

static void *crowd(void *arg)
{
	while (rounds < CROWD_MAX && inside < GUESTS) {
		struct order o = ORDER_INIT;
		order_add(&o, 1);
		order_lock(&o, crowd_tree);
		rounds++;
		usleep(HOLD_US);
		order_unlock(&o);
	}
	return NULL;
}

/* Comes when they are at it, and again and again. */
static void *guest(void *arg)
{
	while (rounds < CROWD)
		usleep(HOLD_US / 4);
	while (inside < GUESTS) {
		struct order o = ORDER_INIT;
		if (crowd_tree == ORDER_EXCLUSIVE) {
			order_lock(&o, ORDER_SHARED);
			order_unlock(&o);
		} else {
			order_look(1);
			order_looked(1);
		}
		inside++;
	}
	return NULL;
}

static void let_in(enum order_tree tree)
{
	pthread_t threads[CROWD + 1];
	inside = rounds = 0;
	crowd_tree = tree;
	for (unsigned t = 0; t <= CROWD; t++)
		assert_int_equal(0, pthread_create(&threads[t], NULL,
						   t < CROWD ? crowd : guest,
						   NULL));
	for (unsigned t = 0; t <= CROWD; t++)
		pthread_join(threads[t], NULL);
	assert_true(rounds < CROWD_MAX);
}

static void renames_of_folders_let_others_in(void **state)
{
	let_in(ORDER_EXCLUSIVE);
}

static void changes_of_a_folder_let_lookups_in(void **state)
{
	let_in(ORDER_SHARED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stripe_once),
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(renames_of_folders_let_others_in),
		cmocka_unit_test(changes_of_a_folder_let_lookups_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
