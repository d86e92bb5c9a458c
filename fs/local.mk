noinst_LIBRARIES += fs/libfs.a
fs_libfs_a_SOURCES = fs/caller.c fs/change.c fs/closer.c fs/content.c fs/control.c \
	fs/deposit.c fs/device.c fs/features.c fs/folder.c fs/gate.c fs/handle.c \
	fs/inode.c fs/intake.c fs/kept.c fs/lookback.c fs/lower.c fs/names.c \
	fs/object.c fs/op-attr.c fs/op-caller.c fs/op-dir.c fs/op-file.c \
	fs/op-lookup.c fs/op-node.c fs/op-open.c fs/op-remove.c fs/op-rename.c \
	fs/op-tmpfile.c fs/op-xattr.c fs/ops.c fs/order.c fs/pages.c \
	fs/passed.c fs/passthrough.c fs/pins.c fs/replay.c fs/room.c fs/settle.c fs/slots.c fs/spawn.c \
	fs/supervisor-late.c fs/supervisor-mount.c fs/supervisor-ready.c \
	fs/supervisor-silent.c fs/supervisor-stuck.c fs/supervisor-sync.c \
	fs/supervisor-worker.c fs/supervisor.c fs/told.c fs/touch.c fs/victim.c fs/who.c \
	fs/worker.c
noinst_HEADERS += fs/caller.h fs/change.h fs/closer.h fs/content-private.h fs/content.h fs/control.h \
	fs/deposit.h fs/device.h fs/folder.h fs/gate.h fs/handle.h \
	fs/inode-private.h fs/inode.h fs/intake.h fs/kept.h fs/lookback.h \
	fs/lower.h fs/ops.h fs/order.h fs/pages.h fs/passed.h fs/passthrough.h fs/pins.h \
	fs/replay.h fs/room.h fs/slots.h fs/spawn.h fs/supervisor-private.h \
	fs/told.h fs/touch.h fs/victim.h fs/who.h include/tbl/fsops.h
