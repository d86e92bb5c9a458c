noinst_LIBRARIES += sync/remote/libremote.a
sync_remote_libremote_a_SOURCES = sync/remote/agent.c sync/remote/auth.c \
	sync/remote/calls.c sync/remote/decode.c sync/remote/encode.c sync/remote/hostkey.c \
	sync/remote/pipe.c sync/remote/pump.c sync/remote/remote.c \
	sync/remote/requests.c sync/remote/session.c sync/remote/simple.c \
	sync/remote/status.c sync/remote/tcp.c sync/remote/url.c \
	sync/remote/window.c
noinst_HEADERS += sync/remote/codec.h sync/remote/conn.h \
	sync/remote/requests.h sync/remote/session.h sync/remote/status.h \
	sync/remote/tcp.h sync/remote/transport.h \
	sync/remote/window.h
