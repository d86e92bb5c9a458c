/* layer: base */
#ifndef MIRRORFS_LOG_H
#define MIRRORFS_LOG_H

/*
 * One line a message, to stderr or to a file: "time level ident: text".
 * error: something was lost; warning: something went wrong and was handled;
 * notice: a replica or the mount changed state; info, debug.
 * Any thread may log. Libraries return errors, programs log them.
 */

#define LOG_THREAD "log" /* the one of log_start: no other has this name */

enum log_level { LL_ERROR, LL_WARNING, LL_NOTICE, LL_INFO, LL_DEBUG };

/*
 * log_open - name this process in its lines and choose where they go.
 * `ident` is kept, not copied. `path` NULL means stderr.
 * Returns 0, or a negative errno: what open(2) says of `path`.
 */
int log_open(const char *ident, const char *path);
/* log_start - from now on a thread of this process writes the lines: nobody
 * waits long for a disk that hangs. It has the privileges that its caller has;
 * a child of fork(2) is without it, until it calls this, too. Where there can
 * be no thread all stays as it is. */
void log_start(void);
/* log_flush - wait for what was not written yet, a second at most; exit(3) does
 * so, too. */
void log_flush(void);
/* log_close - lines go to standard error again. Without the thread. */
void log_close(void);

/* log_set_level - drop what is less urgent than `level` (default: LL_INFO). */
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_write(LL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_write(LL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LL_DEBUG, __VA_ARGS__)

#endif
