# Programs for the scripts, and the unit tests. A unit test is a file
# tests/unit/test-*.c that is found, not registered: it is linked with all of
# our libraries and run by tests/run.
helpers = tests/scribble tests/treecmp tests/churn tests/proxy tests/sftpfault tests/blob \
	tests/fscheck tests/benchtool tests/fsbench tests/opdrive \
	tests/secprobe tests/swapper tests/filterlist tests/passprobe tests/fsx tests/journalbench tests/callstorm tests/pulse \
	tests/dud tests/acked tests/leastfs tests/passrows tests/mapper \
	tests/threads tests/screen
check_PROGRAMS += $(helpers)
tests_treecmp_SOURCES = tests/treecmp.c
tests_treecmp_LDADD = lib/base/libbase.a
tests_churn_SOURCES = tests/churn.c tests/outage.h
tests_acked_SOURCES = tests/acked.c tests/outage.h
tests_proxy_SOURCES = tests/proxy.c
tests_sftpfault_SOURCES = tests/sftpfault.c tests/sftpfault-control.c tests/sftpfault.h
tests_sftpfault_LDADD = sync/remote/libremote.a lib/base/libbase.a
tests_blob_SOURCES = tests/blob.c
tests_mapper_SOURCES = tests/mapper.c
tests_screen_SOURCES = tests/screen.c
tests_threads_SOURCES = tests/threads.c
tests_threads_LDADD = -lpthread
tests_benchtool_SOURCES = tests/benchtool.c
tests_passrows_SOURCES = tests/passrows.c
tests_fsbench_SOURCES = tests/fsbench.c
tests_fsbench_LDADD = -lpthread
tests_leastfs_SOURCES = tests/leastfs.c
tests_leastfs_LDADD = $(FUSE_LIBS)
tests_opdrive_SOURCES = tests/opdrive.c tests/opdrive-names.c \
	tests/opdrive-files.c tests/opdrive-ways.c tests/opdrive.h
tests_fscheck_SOURCES = tests/fscheck.c tests/fscheck-data.c \
	tests/fscheck-names.c tests/fscheck-access.c \
	tests/fscheck-nameless.c tests/fscheck-dirs.c tests/fscheck-acl.c \
	tests/fscheck-locks.c tests/fscheck-late.c tests/fscheck.h
tests_fscheck_LDADD = -lpthread

tests_fsx_SOURCES = tests/fsx.c tests/fsx-handles.c tests/fsx-model.c \
	tests/fsx-passed.c tests/fsx.h
tests_dud_SOURCES = tests/dud.c
tests_callstorm_SOURCES = tests/callstorm.c tests/callstorm-ops.c \
	tests/callstorm.h
tests_callstorm_LDADD = -lpthread
tests_pulse_SOURCES = tests/pulse.c
tests_pulse_LDADD = -lpthread
tests_passprobe_SOURCES = tests/passprobe.c
tests_scribble_SOURCES = tests/scribble.c
tests_filterlist_SOURCES = tests/filterlist.c
tests_filterlist_LDADD = lib/base/libbase.a
tests_swapper_SOURCES = tests/swapper.c
tests_secprobe_SOURCES = tests/secprobe.c tests/secprobe-setid.c \
	tests/secprobe-access.c tests/secprobe-tricks.c tests/secprobe-lower.c \
	tests/secprobe.h

unit_libs = fs/libfs.a sync/libsync.a sync/remote/libremote.a \
	lib/journal/libjournal.a lib/base/libbase.a
unit_system_libs = $(FUSE_LIBS) $(SSH_LIBS) $(SQLITE_LIBS) $(INIH_LIBS) $(ZLIB_LIBS) \
	$(SMARTCOLS_LIBS) $(JANSSON_LIBS) $(CAPNG_LIBS) $(SYSTEMD_LIBS) \
	$(CMOCKA_LIBS)
tests_journalbench_SOURCES = tests/journalbench.c
tests_journalbench_LDADD = $(unit_libs) $(unit_system_libs)

unit_files = $(sort $(wildcard $(srcdir)/tests/unit/test-*.c))
# what several of them share
unit_support = $(filter-out $(unit_files),$(wildcard $(srcdir)/tests/unit/*.c))
unit_headers = $(wildcard $(srcdir)/tests/unit/*.h)
if HAVE_CMOCKA
unit_programs = $(patsubst $(srcdir)/%.c,%,$(unit_files))
endif

# UNIT_MORE: what a test has in a second file
tests/unit/test-plan-random: UNIT_MORE = $(srcdir)/tests/unit/model.c
tests/unit/test-%: $(srcdir)/tests/unit/test-%.c $(unit_support) $(unit_headers) \
		$(unit_libs) confdefs.h
	@$(MKDIR_P) tests/unit
	$(AM_V_CCLD)$(COMPILE) $(CMOCKA_CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) \
		-o $@ $< $(unit_support) $(unit_libs) $(unit_system_libs) $(LIBS)

# A fuzz target is a file tests/fuzz/fuzz-*.c, found; as a test it runs its seeds
# and mutations of them.
fuzz_support = $(srcdir)/tests/fuzz/fuzz-main.c $(srcdir)/tests/fuzz/fuzz-text.c
fuzz_files = $(filter-out $(fuzz_support),$(sort \
	$(wildcard $(srcdir)/tests/fuzz/fuzz-*.c)))
fuzz_programs = $(patsubst $(srcdir)/%.c,%,$(fuzz_files))
tests/fuzz/fuzz-%: $(srcdir)/tests/fuzz/fuzz-%.c $(fuzz_support) $(unit_libs) confdefs.h
	@$(MKDIR_P) tests/fuzz
	$(AM_V_CCLD)$(COMPILE) $(AM_LDFLAGS) $(LDFLAGS) \
		-o $@ $< $(fuzz_support) $(unit_libs) $(unit_system_libs) $(LIBS)

# With clang's libFuzzer, FUZZ_SECONDS (60) each: what is found is printed, and
# the input is left in fuzz/.
fuzz: all-tests
	CPPFLAGS='$(DEFS) $(DEFAULT_INCLUDES) $(INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS)' \
	LIBS='$(unit_system_libs) $(LIBS)' SOURCES='$(fuzz_sources)' \
	$(bash_program) '$(srcdir)/tests/fuzz.sh' $(FUZZ)
fuzz_sources = $(sort $(lib_base_libbase_a_SOURCES) \
	$(lib_journal_libjournal_a_SOURCES) \
	$(sync_remote_libremote_a_SOURCES) $(sync_libsync_a_SOURCES))

# to be preloaded: no libtool for these
preloads = tests/sysfault.so tests/wrongclock.so
$(preloads): tests/%.so: $(srcdir)/tests/%.c $(srcdir)/tests/clockstep.h
	@$(MKDIR_P) tests
	$(AM_V_CC)$(CC) -shared -fPIC -O2 -o $@ $< -ldl

all-tests: all
	$(MAKE) $(AM_MAKEFLAGS) $(helpers) $(unit_programs) $(fuzz_programs) \
		$(preloads)

# TESTS_ONLY=unit,style,shell: what make check runs
check-local: all-tests
	$(bash_program) '$(srcdir)/tests/run' --build . \
		--only "$${TESTS_ONLY:-unit,style,shell}"

bench: all-tests
	$(bash_program) '$(srcdir)/bench' --build .

bash_program = bash
# for hours: the random tests with many more rounds
soak: all all-tests
	CHAOS=1800 TEST_TIMEOUT=7200 $(bash_program) '$(srcdir)/tests/run' \
		--build . --only shell t-chaos
	SOAK=25 TEST_TIMEOUT=7200 $(bash_program) '$(srcdir)/tests/run' \
		--build . t-syscalls t-replica-faults test-rescue test-ring-fuzz \
		test-journal-faults
	KIND=xfs $(bash_program) '$(srcdir)/tests/run' --build . t-durable
	PLAN_ROUNDS=100000 tests/unit/test-plan-random
	SOAK=40 TEST_TIMEOUT=14400 $(bash_program) '$(srcdir)/tests/run' \
		--build . --only shell t-faults t-workloads
	SOAK=40 TEST_TIMEOUT=14400 $(bash_program) '$(srcdir)/tests/run' \
		--build . --only unit,shell property many first-copy backlog
	for fs in ext4 xfs btrfs tmpfs; do \
		SOAK=4 TEST_TIMEOUT=3600 $(bash_program) \
			'$(srcdir)/tests/run' --build . --only shell \
			--lower $$fs || exit 1; \
	done

	SOAK=67 TEST_TIMEOUT=7200 $(bash_program) '$(srcdir)/tests/run' \
		--build . --only shell t-worker-killed
	SOAK=60 TEST_TIMEOUT=7200 $(bash_program) '$(srcdir)/tests/run' \
		--build . --only shell t-fsx
	BUILD=$$PWD $(bash_program) '$(srcdir)/tests/stress.sh'
	CHANGES=1000000 TEST_TIMEOUT=7200 $(bash_program) \
		'$(srcdir)/tests/run' --build . --only shell t-dead
	ENTRIES=1000000 TEST_TIMEOUT=7200 $(bash_program) \
		'$(srcdir)/tests/run' --build . --only shell t-wide
	for pair in ext4:same btrfs:same xfs:same ext4:ext4 xfs:ext4 \
			btrfs:xfs; do \
		POWER_FS=$${pair%:*} POWER_JOURNAL_FS=$${pair#*:} POWER_N=40 \
			TEST_TIMEOUT=3600 $(bash_program) '$(srcdir)/tests/run' \
			--build . --only shell t-power || exit 1; \
	done
	POWER_OFF=1 POWER_N=80 TEST_TIMEOUT=3600 $(bash_program) \
		'$(srcdir)/tests/run' --build . --only shell t-power

# a foreign suite: make pjdfstest PJDFSTEST=folder-with-it
pjdfstest: all all-tests
	BUILD=$$PWD $(bash_program) '$(srcdir)/tests/pjdfstest.sh' \
		"$${PJDFSTEST:?where is it?}" $(PJDFSTEST_ON)

.PHONY: all-tests bench soak pjdfstest fuzz

EXTRA_DIST += tests/sysfault.c tests/wrongclock.c tests/clockstep.h tests/run tests/functions.sh tests/property.sh tests/lower.sh \
	tests/causes.sh \
	tests/powercut.sh tests/pjdfstest.sh tests/stress.sh tests/fuzz.sh \
	$(wildcard $(srcdir)/tests/fuzz/*.[ch]) \
	.ci/run \
	$(wildcard $(srcdir)/tests/lib/*.sh) \
	$(wildcard $(srcdir)/tests/t-*.sh) \
	$(wildcard $(srcdir)/tests/check-*.sh) \
	$(wildcard $(srcdir)/tests/unit/*.[ch])
clean-local:
	rm -rf tests/logs
	rm -f $(unit_programs) $(fuzz_programs) $(preloads)
	rm -rf fuzz
