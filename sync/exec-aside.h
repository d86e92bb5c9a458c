/* layer: sync */
#ifndef SYNC_EXEC_ASIDE_H
#define SYNC_EXEC_ASIDE_H

/*
 * The part of the executor (exec.h, which includes this) that decides which
 * uploads go on when: exec-uploads.c, exec-spare.c, and exec-aside.c for the
 * large ones that have left the line.
 */

/* exec_aside - begin such a one: all of obj. */
void exec_aside(struct exec *x, const char *path, const struct fhandle *obj);
/* exec_aside_drop - nobody needs it any more, if there is one. */
void exec_aside_drop(struct exec *x, const struct fhandle *obj);
/* exec_aside_ready - an object (borrowed) whose content is in the stage: to be
 * pushed as a PUT, which takes it over, also when it has failed; or NULL. */
const struct fhandle *exec_aside_ready(struct exec *x);
/* exec_aside_is_ready - is this one? */
bool exec_aside_is_ready(struct exec *x, const struct fhandle *obj);
bool exec_has_asides(const struct exec *x);
/* exec_aside_comes - is one of that object being sent, and all well so far? */
bool exec_aside_comes(struct exec *x, const struct fhandle *obj);
/* exec_serve - let them go on for at most `ms`, until one is ready or
 * `wake_fd`, which is left unread, is readable. Returns 1 when nothing came
 * for all that time, 0, or as exec_drain. */
int exec_serve(struct exec *x, int ms, int wake_fd);

/* exec_uses_second - something is open over the second connection. */
bool exec_uses_second(const struct exec *x);

/* ---- between exec.c and its parts ---- */

/* exec-spare.c: have files open in advance; take one for an upload */
void spare_fill(struct exec *x);
bool spare_take(struct step *s);
void spares_free(struct exec *x);

/*
 * exec-second.c: the second connection, if it can be used; it is wished for
 * when it is worth it. second_small - something that is to be fast came.
 * second_handle - of this upload there, asked for at need; NULL: not yet, or
 * never. second_sends - a piece goes there: the done function for it.
 * second_spares_first - this one is to send nothing over the first one now.
 * second_over - nothing is under way there any more, and it is closed; false:
 * once more when something was answered.
 */
struct remote *second_line(struct exec *x);
void second_small(struct exec *x);
const struct remote_handle *second_handle(struct step *s);
remote_done_fn *second_sends(struct step *s);
bool second_spares_first(const struct step *s);
bool second_over(struct step *s);
/* second_waits - for answers to pieces of it. */
bool second_waits(const struct step *s);

/* exec-uploads.c: begin and feed uploads */
void exec_uploads(struct exec *x);
/* uploads_anew - the head is sent again, as something with its hash was written to
 * (busy.c). While many files are, it is not the only one, and one after the other
 * would take two round trips each: those behind it are, too, at once. */
void uploads_anew(struct exec *x);
/* exec_pump - a turn of who waits for requests of its own: what is under way goes
 * on over the second connection, which is joined when it is there. Nothing is
 * begun. -ENOTCONN, or 0. */
int exec_pump(struct exec *x);

/* exec-aside.c: is it time for the head of the line to leave it? then add; take
 * one that is ready or goes on, another one of that object is dropped; free
 * the dropped */
bool aside_leave(struct step *s);
void aside_add(struct step *s);
struct step *aside_take(struct exec *x, const struct fhandle *obj);
void aside_reap(struct exec *x);
/* exec-kept.c: refused: is it to be kept when it has ended? then it is, instead of
 * freed; take that of an object (NULL: there is none), in place of an upload;
 * end them all */
bool kept_want(struct step *s);
void kept_add(struct step *s);
struct step *kept_take(struct exec *x, const struct fhandle *obj);
void kept_drop_all(struct exec *x);
/* how many large ones are under way; the next that waits for a place */
unsigned aside_large(const struct exec *x);
struct step *aside_waiting(struct exec *x);

#endif
