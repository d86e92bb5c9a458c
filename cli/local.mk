sbin_PROGRAMS += mirrorfs
mirrorfs_SOURCES = cli/main.c cli/child.c cli/dead.c cli/health.c cli/holders.c cli/journal-find.c cli/log.c cli/mount.c cli/mount-state.c \
	cli/ask.c cli/options.c cli/preflight.c cli/print.c cli/progress.c cli/replica.c cli/report.c cli/status.c cli/target.c cli/title.c \
	cli/umount.c cli/upgrade.c cli/wait.c
mirrorfs_LDADD = fs/libfs.a sync/libsync.a sync/remote/libremote.a \
	lib/journal/libjournal.a lib/base/libbase.a \
	$(FUSE_LIBS) $(SSH_LIBS) $(SQLITE_LIBS) $(INIH_LIBS) $(ZLIB_LIBS) \
	$(SMARTCOLS_LIBS) $(JANSSON_LIBS) $(CAPNG_LIBS) $(SYSTEMD_LIBS)
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completions/mirrorfs
noinst_HEADERS += cli/cli.h cli/commands.h cli/holders.h cli/status.h cli/terminal.h
mirrorfs_SOURCES += cli/parked.c cli/retry.c
mirrorfs_SOURCES += cli/abilities.c
mirrorfs_SOURCES += cli/follow.c cli/reconcile.c cli/terminal.c
