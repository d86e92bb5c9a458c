noinst_LIBRARIES += lib/base/libbase.a
lib_base_libbase_a_SOURCES = lib/base/buf.c lib/base/clock.c lib/base/log.c lib/base/mounts.c \
	lib/base/paths.c lib/base/privileges.c lib/base/replica-options.c \
	lib/base/runtime.c lib/base/settings.c lib/base/text.c lib/base/values.c
lib_base_libbase_a_SOURCES += lib/base/causes.c
lib_base_libbase_a_SOURCES += lib/base/abilities.c
lib_base_libbase_a_SOURCES += lib/base/filter.c lib/base/rate.c
lib_base_libbase_a_SOURCES += lib/base/mounts-around.c
noinst_HEADERS += lib/base/mounts-private.h
