/* layer: sync */
#ifndef SYNC_UPLOAD_H
#define SYNC_UPLOAD_H

/* One file, into the stage: upload.c, for the executor (exec.h, which includes
 * this) and its parts. */

/* upload_answered - one request of an upload, whatever came of it */
void upload_answered(struct step *s);
/* upload.c: begins, continues (true: something was sent; a piece of content
 * over `line`), and publishes */
void upload_begin(struct step *s);
bool upload_feed(struct step *s, struct remote *line);
/* upload_again - from the start, in its place among those under way */
void upload_again(struct step *s);
/* upload_drop_stage - what was begun and will not be published */
void upload_drop_stage(struct step *s);
/* upload_refresh - what is in the stage gets the attributes of now */
void upload_refresh(struct step *s);
/* upload_is_large - it takes turns with others. */
bool upload_is_large(const struct step *s);
/* upload_settled - may it be published? false: it has started over or ended */
bool upload_settled(struct step *s);
/* upload_early - send a small one again, if that would come of it in its turn. */
void upload_early(struct step *s);
void upload_publish(struct step *s);

/* moment_begin - what is `busy`, being written, is to be sent as it was when it
 * settled last, if that is known: as_of, and as many bytes as it had.
 * moment_is_kept - what was sent is the content as of as_of: of what is in the
 * file now, these bytes have not been touched since. */
void moment_begin(struct step *s, bool busy);
bool moment_is_kept(struct step *s);
/* moment_goes_on - it has settled again before all of it was sent, and more was
 * appended: that is sent behind it, and it is as of now. */
bool moment_goes_on(struct step *s);

/* so many tries of an upload with what changed only, then with all of it */
#define DELTA_TRIES 4

#define EXEC_SYNCED 16 /* contents that are fsynced one by one */

/* freeze_want - it was overtaken by its writers: when it settles next they are
 * to be held. freeze_take - it has settled: if they are, fd becomes a copy, and
 * they go on. freeze_forget - nothing is wanted any more. */
void freeze_want(struct step *s);
void freeze_take(struct step *s);
void freeze_forget(struct exec *x);

#endif
