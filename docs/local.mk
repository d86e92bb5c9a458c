dist_man_MANS += docs/man/mirrorfs.8 docs/man/mirrorfs.conf.5 \
	docs/man/mirrorfs-journal.5
dist_doc_DATA = README.md NEWS docs/ARCHITECTURE.md docs/CONFORMANCE.md docs/PERFORMANCE.md \
	docs/FAILURES.md docs/RELIABILITY.md docs/SECURITY.md
exampledir = $(docdir)/examples
dist_example_DATA = examples/mirrorfs.conf

systemdunitdir = $(SYSTEMD_UNIT_DIR)
nodist_systemdunit_DATA = systemd/mirrorfs@.service
EXTRA_DIST += systemd/mirrorfs@.service.in
CLEANFILES = systemd/mirrorfs@.service
systemd/mirrorfs@.service: $(srcdir)/systemd/mirrorfs@.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	sed 's|@sbindir[@]|$(sbindir)|g' \
		'$(srcdir)/systemd/mirrorfs@.service.in' > 'systemd/mirrorfs@.service'
