/* layer: base */
#ifndef MIRRORFS_LOG_H
#define MIRRORFS_LOG_H

/*
 * One line a message, to stderr or to a file: "time level ident: text".
 * error: something was lost; warning: something went wrong and was handled;
 * notice: a replica or the mount changed state; info, debug.
 * Any thread may log. Libraries return errors, programs log them.
 */

enum log_level { LL_ERROR, LL_WARNING, LL_NOTICE, LL_INFO, LL_DEBUG };

/*
 * log_open - name this process in its lines and choose where they go.
 * `ident` is kept, not copied. `path` NULL means stderr.
 * Returns 0, or a negative errno: what open(2) says of `path`.
 */
int log_open(const char *ident, const char *path);
/* log_close - lines go to standard error again. */
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
