noinst_LIBRARIES += sync/libsync.a
sync_libsync_a_SOURCES = \
	sync/absent.c \
	sync/ahead.c \
	sync/asides.c \
	sync/attr.c \
	sync/batch-aside.c \
	sync/batch-redo.c sync/batch-view.c \
	sync/batch.c \
	sync/cause.c \
	sync/delta.c \
	sync/durable.c \
	sync/engine.c \
	sync/exec-aside.c \
	sync/exec-kept.c \
	sync/exec-names.c \
	sync/exec-partial.c \
	sync/exec-second.c \
	sync/exec-spare.c \
	sync/exec-uploads.c \
	sync/exec.c \
	sync/filters.c \
	sync/freeze.c \
	sync/fresh.c \
	sync/idmap.c \
	sync/inplace.c \
	sync/links.c \
	sync/moment.c \
	sync/moves.c \
	sync/lower.c \
	sync/owners.c \
	sync/parked.c \
	sync/partial.c \
	sync/pathset.c \
	sync/plan-build.c \
	sync/plan-fold.c \
	sync/plan-memory.c \
	sync/plan.c \
	sync/probe.c \
	sync/compare.c sync/reconcile.c \
	sync/remove.c \
	sync/replica.c \
	sync/second.c \
	sync/seed.c \
	sync/seed-tell.c \
	sync/space.c \
	sync/stage.c \
	sync/stale.c \
	sync/sync.c \
	sync/textset.c \
	sync/unsure.c \
	sync/upload.c \
	sync/verify.c \
	sync/visit.c
noinst_HEADERS += \
	sync/action.h \
	sync/ahead.h \
	sync/asides.h \
	sync/attr.h \
	sync/cause.h sync/compare.h \
	sync/delta.h \
	sync/durable.h \
	sync/engine.h \
	sync/exec-aside.h \
	sync/exec.h \
	sync/fresh.h \
	sync/idmap.h \
	sync/links.h \
	sync/moves.h \
	sync/lower.h \
	sync/owners.h \
	sync/partial.h \
	sync/pathset.h \
	sync/plan-build.h \
	sync/plan.h \
	sync/probe.h \
	sync/replica.h \
	sync/second.h \
	sync/seed.h \
	sync/seed-private.h \
	sync/space.h \
	sync/stage.h \
	sync/stale.h \
	sync/textset.h \
	sync/unsure.h \
	sync/upload.h \
	sync/visit.h
