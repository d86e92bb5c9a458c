noinst_LIBRARIES += lib/journal/libjournal.a
lib_journal_libjournal_a_SOURCES = \
	lib/journal/abilities.c \
	lib/journal/activity-file.c \
	lib/journal/activity.c \
	lib/journal/append.c \
	lib/journal/arrivals.c \
	lib/journal/aside.c \
	lib/journal/busy.c \
	lib/journal/comparison.c \
	lib/journal/db.c \
	lib/journal/health.c \
	lib/journal/history.c \
	lib/journal/identity.c \
	lib/journal/intent.c \
	lib/journal/lift.c \
	lib/journal/memory.c \
	lib/journal/meta.c \
	lib/journal/options.c \
	lib/journal/owed.c \
	lib/journal/place.c \
	lib/journal/patience.c \
	lib/journal/prune.c \
	lib/journal/ranges.c \
	lib/journal/read.c \
	lib/journal/record.c \
	lib/journal/recover.c \
	lib/journal/remember.c \
	lib/journal/replicas.c \
	lib/journal/rescue.c \
	lib/journal/reserve.c \
	lib/journal/ring.c \
	lib/journal/schema.c \
	lib/journal/seed.c \
	lib/journal/shm.c \
	lib/journal/stamps.c \
	lib/journal/unsafe.c \
	lib/journal/wait.c \
	lib/journal/who.c \
	lib/journal/writer.c \
	lib/journal/written.c
noinst_HEADERS += lib/journal/activity-file.h \
	lib/journal/activity-private.h lib/journal/db.h lib/journal/history.h \
	lib/journal/identity.h \
	lib/journal/memory.h
