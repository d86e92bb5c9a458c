/*
 * mirrorfs mount: everything that can be refused is looked at first, while
 * nothing has been changed; then the state folder, the journal, and the
 * supervisor, in the background unless --foreground is given.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "activity.h"
#include "cleanup.h"
#include "cli/cli.h"
#include "cli/holders.h"
#include "mounts.h"
#include "fs.h"
#include "log.h"
#include "paths.h"
#include "reserve.h"
#include "runtime.h"
#include "sync.h"

struct mount_job {
	struct settings settings;
	bool have_config;
	bool foreground, debug, rescan;
	struct found_journal found;
	int lock_fd;
	int lower_fd, dead_fd; /* see struct supervisor_config */
	char program[PATH_MAX];
};

struct mount_options {
	char *name, *identity, *known_hosts, *state_dir, *config, *without,
		*journal;
	struct option_list replicas, options;
	bool accept_new, adopt;
};

static void set_text(char **where, const char *value)
{
	if (!value)
		return;
	free(*where);
	*where = strdup(value);
}

/* set_path - a file named on the command line, made absolute. */
static void set_path(char **where, const char *value)
{
	if (!value)
		return;
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	free(*where);
	*where = path_normalise(value, cwd ? cwd : "/");
}

/* ---- the settings: file first, command line over it ---- */

static int load_config(struct mount_job *job, const struct mount_options *o,
		       const char *root)
{
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FREE char *name = o->name ? strdup(o->name)
				  : root  ? path_escape(root)
					  : NULL;
	if (o->config)
		set_path(&path, o->config);
	else if (!name ||
		 asprintf(&path, "%s/mirrorfs/%s.conf", SYSCONFDIR, name) < 0)
		return 0;
	CLEANUP_FREE char *why = NULL;
	int r = settings_load(&job->settings, path, &why);
	if (r == -ENOENT && !o->config)
		return 0;
	if (r < 0)
		return fail("%s", why);
	job->have_config = true;
	return 0;
}

static int apply_options(struct mount_job *job, const struct mount_options *o,
			 const char *root)
{
	struct settings *s = &job->settings;
	set_text(&s->root, root);
	set_text(&s->name, o->name);
	set_path(&s->state_dir, o->state_dir);
	set_path(&s->identity, o->identity);
	set_path(&s->known_hosts, o->known_hosts);
	set_text(&s->without, o->without);
	set_text(&s->journal, o->journal);
	s->accept_new |= o->accept_new;
	if (!options_given(&o->options, &s->options))
		return EXIT_USAGE;
	for (unsigned i = 0; i < o->replicas.n; i++) {
		struct settings_replica *r =
			replica_parse(s, o->replicas.items[i]);
		if (!r)
			return EXIT_USAGE;
		r->adopt |= o->adopt;
	}
	for (unsigned i = 0; i < s->n_replicas; i++) {
		struct settings_replica *r = &s->replicas[i];
		if (!r->identity)
			set_text(&r->identity, s->identity);
		if (!r->known_hosts)
			set_text(&r->known_hosts, s->known_hosts);
		r->accept_new |= s->accept_new;
	}
	return 0;
}

/* ---- the checks ---- */

/* Nothing is asked of what is mounted there, which may be dead. */
static int check_root(struct mount_job *job)
{
	struct settings *s = &job->settings;
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	CLEANUP_FREE char *text = path_normalise(s->root, cwd ? cwd : "/");
	char *real = realpath(text, NULL);
	if (!real)
		return fail("%s: %s", text, strerror(errno));
	free(s->root);
	s->root = real;
	if (strcmp(s->root, "/") == 0)
		return fail("mounting over / is not possible: name a document "
			    "root below it");
	int r = dead_mount_look(s->root, &job->dead_fd, &job->lower_fd);
	if (r != 0)
		return r;
	if (job->dead_fd < 0)
		job->lower_fd = open(s->root, O_RDONLY | O_DIRECTORY |
						      O_NOFOLLOW | O_CLOEXEC);
	if (job->lower_fd >= 0)
		return 0;
	return errno == ENOTDIR ? fail("%s is not a directory", s->root)
				: fail("%s: %s", s->root, strerror(errno));
}

/* take_former - see check_former. */
static int take_former(struct settings *s, const struct runtime_info *former)
{
	if (!s->state_dir && (!s->name || strcmp(s->name, former->name) == 0))
		s->state_dir = strdup(former->state_dir);
	CLEANUP_FREE char *dir = s->state_dir
					 ? strdup(s->state_dir)
					 : default_state_dir(s->name);
	if (strcmp(dir, former->state_dir) != 0)
		return fail("%s was mounted with its state in %s, and its "
			    "processes have ended: mount it with --state-dir "
			    "%s, so that nothing is lost, or say \"mirrorfs "
			    "umount %s\" first",
			    s->root, former->state_dir, former->state_dir,
			    s->root);
	if (!s->name)
		s->name = strdup(former->name);
	return 0;
}

/* check_former - a mount of this tree whose processes have ended, and that
 * nobody has unmounted: which changes are on their way, and to whom, is in its
 * state folder and nowhere else. */
static int check_former(struct settings *s)
{
	struct runtime_info *list;
	unsigned n;
	int r = 0;
	if (runtime_list(&list, &n) < 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		if (r == 0 && !list[i].alive &&
		    strcmp(list[i].root, s->root) == 0 &&
		    access(list[i].state_dir, F_OK) == 0)
			r = take_former(s, &list[i]);
		runtime_info_done(&list[i]);
	}
	free(list);
	return r;
}

static int check_tree(const struct mount_job *job)
{
	const struct settings *s = &job->settings;
	CLEANUP_FREE char *inner = mount_below(s->root);
	CLEANUP_FREE char *name = inner ? text_printable(inner) : NULL;
	if (name)
		return fail("%s is another mount inside %s, which mirrorfs "
			    "does not follow: mount it elsewhere, or mirror it "
			    "by itself",
			    name, s->root);
	int flags;
	if (ioctl(job->lower_fd, FS_IOC_GETFLAGS, &flags) == 0 &&
	    flags & FS_CASEFOLD_FL)
		return fail("names in %s do not differ by case (chattr +F), "
			    "which cannot be mirrored",
			    s->root);
	struct stat st;
	if (fstatat(job->lower_fd, RESERVED_NAME, &st, AT_SYMLINK_NOFOLLOW) ==
	    0)
		return fail("%s/%s exists, but this name is reserved at the "
			    "top of a tree (is %s a replica of another "
			    "mirrorfs?): rename or remove it",
			    s->root, RESERVED_NAME, s->root);
	return 0;
}

/* note_handles - what it costs that the file system below has none. */
static void note_handles(const struct mount_job *job)
{
	if (lower_has_handles(job->lower_fd))
		return;
	fprintf(stderr,
		"mirrorfs: note: the file system of %s cannot name files by "
		"handle: it works, but slower, with one descriptor for each "
		"file that is known, and after each mount everything is "
		"compared; ext4, xfs, btrfs and tmpfs (in a container: a "
		"volume) can, and overlayfs with nfs_export=on,index=on\n",
		job->settings.root);
}

/* existing_part - the real path of the part of `path` that is there. */
static char *existing_part(const char *path)
{
	CLEANUP_FREE char *part = strdup(path);
	for (;;) {
		char *real = realpath(part, NULL);
		if (real) {
			char *whole = path_rebase(path, part, real);
			free(real);
			return whole;
		}
		char *slash = strrchr(part, '/');
		if (!slash || slash == part)
			return strdup(path);
		*slash = 0;
	}
}

static int check_state_dir(struct settings *s)
{
	if (!s->state_dir)
		s->state_dir = default_state_dir(s->name);
	CLEANUP_FREE char *real = existing_part(s->state_dir);
	if (path_is_below(real, s->root))
		return fail("the state folder %s lies inside the tree %s: "
			    "choose another with --state-dir",
			    s->state_dir, s->root);
	struct stat st;
	if (stat(s->state_dir, &st) < 0)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return fail("the state folder %s is not a directory",
			    s->state_dir);
	if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		return fail("the state folder %s can be written by others than "
			    "root: chown root and chmod 700 it first",
			    s->state_dir);
	return 0;
}

static int check_fuse(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail("cannot open /dev/fuse: %s (is the fuse module "
			    "loaded? try: modprobe fuse)",
			    strerror(errno));
	close(fd);
	return 0;
}

/* check_replicas - as text against each other, then over the network those
 * that the journal does not know yet: a known one that is down or has gone
 * wrong must not keep the users of the master waiting. */
static int check_replicas(struct mount_job *job, struct journal *j)
{
	struct settings *s = &job->settings;
	for (unsigned i = 0; i < s->n_replicas; i++) {
		struct settings_replica *r = &s->replicas[i];
		for (unsigned k = 0; k < i; k++) {
			if (strcmp(s->replicas[k].url, r->url) == 0)
				return fail("replicas %s and %s have the same "
					    "url %s",
					    s->replicas[k].name, r->name,
					    r->url);
		}
		struct replica_row row;
		if (j && journal_replica_get(j, r->name, &row) == 0) {
			bool same = strcmp(row.url, r->url) == 0;
			replica_row_done(&row);
			if (same)
				continue;
		}
		if (!preflight_replica(r, s->root,
				       *job->found.uuid ? job->found.uuid
							: NULL,
				       !job->found.late))
			return EXIT_NO;
	}
	return 0;
}

static int check_all(struct mount_job *job)
{
	struct settings *s = &job->settings;
	int r = check_root(job);
	if (r == 0)
		r = check_former(s);
	if (r != 0)
		return r;
	if (!s->name)
		s->name = path_escape(s->root);
	if (!settings_name_ok(s->name))
		return fail_usage("\"%s\" cannot be a name: use letters, "
				  "digits, \"_\", \".\" and \"-\"",
				  s->name);
	unsigned without;
	char why[32];
	if (features_parse(s->without, &without, why) < 0)
		return fail_usage("without: there is no feature \"%s\": "
				  "passthrough, direct-writes and handles can "
				  "be switched off",
				  why);
	if (s->journal && strcmp(s->journal, "required") != 0 &&
	    strcmp(s->journal, "preferred") != 0)
		return fail_usage("journal: \"%s\" is neither required nor "
				  "preferred",
				  s->journal);
	if ((r = check_tree(job)) != 0 || (r = check_state_dir(s)) != 0 ||
	    (r = check_fuse()) != 0)
		return r;
	struct journal *j;
	journal_reserve_use(s->state_dir);
	job->found.required = s->journal && strcmp(s->journal, "required") == 0;
	r = journal_find(s->state_dir, s->root, &job->found, &j);
	if (r == 0)
		r = check_replicas(job, j);
	journal_close(j);
	if (r == 0)
		note_handles(job);
	return r;
}

/* ---- doing it ---- */

/* prepare_later - in a child of the supervisor. */
static int prepare_later(const struct supervisor_config *cfg)
{
	struct mount_job job = *(const struct mount_job *)cfg->prepare_arg;
	struct journal *j;
	job.found = (struct found_journal){0};
	int r = journal_find(cfg->state_dir, cfg->root, &job.found, &j);
	journal_close(j);
	if (r == 0 && !job.found.late)
		r = state_prepare(&job.settings, job.have_config, job.rescan,
				  &job.found);
	free(job.found.done);
	return r != 0 ? -EIO : job.found.late;
}

static int run(const struct mount_job *job, int ready_fd, const char *log_file)
{
	const struct settings *s = &job->settings;
	const struct sync_ahead *ahead = preflight_ahead();
	int sync_fds[SYNC_AHEAD_MAX];
	const struct supervisor_config cfg = {
		.root = s->root,
		.name = s->name,
		.state_dir = s->state_dir,
		.program = job->program,
		.lower_fd = job->lower_fd,
		.dead_fd = job->dead_fd,
		.lock_fd = job->lock_fd,
		.log_file = log_file,
		.debug = job->debug,
		.ready_fd = ready_fd,
		.report = holders_report,
		.prepare = prepare_later,
		.prepare_arg = job,
		.late = job->found.late,
		.mounts_changed = inner_report,
		.sync_run = ahead ? cmd_sync : NULL,
		.sync_forked = preflight_forget,
		.sync_fds = sync_fds,
		.n_sync_fds = sync_ahead_fds(ahead, sync_fds),
		.history_ns = s->history_ns,
		.settle_idle_ns = s->settle_idle_ns,
		.settle_age_ns = s->settle_age_ns,
		.activity_log = s->activity_log,
		.lift_ns = s->activity_lift_ns,
		.hang_ns = s->hang_ns,
		.delta_above = s->delta_above,
		.journal_required = job->found.required,
		.without = s->without,
	};
	if (job->found.done)
		log_warning("%s", job->found.done);
	return supervisor_run(&cfg);
}

/* detach - the rest of a daemon's life, in the child. */
static int detach(const struct mount_job *job, int ready_fd)
{
	CLEANUP_FREE char *log_file =
		path_join(job->settings.state_dir, "mirrorfs.log");
	setsid();
	int r = log_open("supervisor", log_file);
	if (r < 0 && job->found.late) {
		free(log_file);
		log_file = runtime_log(job->settings.name);
		r = log_open("supervisor", log_file);
	}
	if (r < 0) {
		dprintf(ready_fd, "%s: %s\n", log_file, strerror(-r));
		return EXIT_NO;
	}
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int err = open(log_file, O_WRONLY | O_APPEND | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(null);
	close(err);
	return run(job, ready_fd, log_file);
}

/* daemon_run - in the child, which has the connections of the checks. */
static int daemon_run(const struct mount_job *job, int ready_fd)
{
	int r = detach(job, ready_fd);
	preflight_end();
	log_flush(); /* _exit does not */
	return r;
}

static int start_background(const struct mount_job *job)
{
	int ready[2];
	if (pipe2(ready, O_CLOEXEC) < 0)
		return fail("pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid < 0)
		return fail("fork: %s", strerror(errno));
	if (pid == 0) {
		close(ready[0]);
		_exit(daemon_run(job, ready[1]));
	}
	close(ready[1]);
	preflight_forget();
	CLEANUP_FCLOSE FILE *f = fdopen(ready[0], "r");
	char line[512] = "the supervisor died";
	if (f && fgets(line, sizeof(line), f))
		line[strcspn(line, "\n")] = 0;
	if (strcmp(line, "ok") == 0) {
		while (fgets(line, sizeof(line), f))
			fprintf(stderr, "mirrorfs: warning: %s", line);
		return EXIT_YES;
	}
	waitpid(pid, NULL, 0); /* it still takes leave of the replicas */
	return fail("cannot mount %s: %s (see %s/mirrorfs.log)",
		    job->settings.root, line, job->settings.state_dir);
}

/* How large a file may be is the affair of who writes it, not of the shell in
 * which we were started. */
static int lift_limit(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	if (setrlimit(RLIMIT_FSIZE, &limit) == 0 ||
	    getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	return limit.rlim_max == RLIM_INFINITY
		       ? 0
		       : fail("files are limited to %llu bytes here (ulimit "
			      "-Hf), which would bind all users of the mount",
			      (unsigned long long)limit.rlim_max);
}

static int mount_job_run(struct mount_job *job)
{
	const struct settings *s = &job->settings;
	ssize_t n = readlink("/proc/self/exe", job->program,
			     sizeof(job->program) - 1);
	if (n < 0)
		return fail("/proc/self/exe: %s", strerror(errno));
	int r = lift_limit();
	if (r == 0)
		r = check_all(job);
	if (r != 0)
		return r;
	job->lock_fd = runtime_claim(s->name);
	if (job->lock_fd == -EBUSY)
		return fail("a mount named \"%s\" is alive: see mirrorfs "
			    "status, or choose another --name",
			    s->name);
	if (job->lock_fd < 0)
		return fail("/run/mirrorfs/%s: %s", s->name,
			    strerror(-job->lock_fd));
	if (!job->found.late)
		r = state_prepare(s, job->have_config, job->rescan,
				  &job->found);
	if (r != 0) {
		if (job->dead_fd < 0)
			runtime_withdraw(s->name);
		return r;
	}
	if (job->found.late) /* sync starts some day */
		preflight_end();
	if (chdir("/") < 0)
		return fail("/: %s", strerror(errno));
	if (!job->foreground)
		return start_background(job);
	log_open("supervisor", NULL);
	return run(job, -1, NULL);
}

int cmd_mount(int argc, char **argv)
{
	struct mount_options o = {0};
	struct mount_job job = {.lock_fd = -1, .lower_fd = -1, .dead_fd = -1};
	const struct option options[] = {
		{"name", "NAME", OPTION_TEXT, &o.name,
		 "name of the mount (default: the escaped path, var-www)"},
		{"replica", "NAME=URL", OPTION_LIST, &o.replicas,
		 "a replica: sftp://user@host:port/path or /path"},
		{"identity", "FILE", OPTION_TEXT, &o.identity,
		 "private key to log in with"},
		{"known-hosts", "FILE", OPTION_TEXT, &o.known_hosts,
		 "host keys (default: ~/.ssh/known_hosts, then the system's)"},
		{"accept-new", NULL, OPTION_FLAG, &o.accept_new,
		 "store the key of a host that is not known yet"},
		{"adopt", NULL, OPTION_FLAG, &o.adopt,
		 "take over replica folders that are not empty"},
		{"o", "KEY=VALUE,...", OPTION_LIST, &o.options,
		 "options for all replicas: see mirrorfs.conf(5)"},
		{"state-dir", "DIR", OPTION_TEXT, &o.state_dir,
		 "the journal's folder (default: /var/lib/mirrorfs/NAME)"},
		{"config", "FILE", OPTION_TEXT, &o.config,
		 "configuration (default: /etc/mirrorfs/NAME.conf, if any)"},
		{"journal", "POLICY", OPTION_TEXT, &o.journal,
		 "required: no changes while it cannot be written"},
		{"without", "LIST", OPTION_TEXT, &o.without,
		 "do not use: passthrough, direct-writes, handles"},
		{"rescan", NULL, OPTION_FLAG, &job.rescan,
		 "compare everything: it was changed while not mounted"},
		{"foreground", NULL, OPTION_FLAG, &job.foreground,
		 "stay in the foreground, log to stderr"},
		{"debug", NULL, OPTION_FLAG, &job.debug, "log more"},
		{0},
	};
	int n = options_parse("mount", options, argc, argv);
	if (n < 0)
		return options_exit(n);
	if (n > 1)
		return fail_usage("mount: one ROOT only, \"%s\" is too much",
				  argv[1]);
	if (geteuid() != 0)
		return fail("mounting needs root: try sudo mirrorfs mount");
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	CLEANUP_FREE char *root =
		n ? path_normalise(argv[0], cwd ? cwd : "/") : NULL;
	settings_init(&job.settings);
	int r = load_config(&job, &o, root);
	if (r == 0)
		r = apply_options(&job, &o, root);
	/* what the shell has open, the daemons would keep; <(...) may be one of
	 * these, and was read */
	closefrom(STDERR_FILENO + 1);
	if (r == 0 && !job.settings.root)
		r = fail_usage("mount: name the ROOT (or \"root\" in the "
			       "configuration)");
	if (r == 0)
		r = mount_job_run(&job);
	preflight_end();
	settings_done(&job.settings);
	free(job.found.done);
	free(o.replicas.items);
	free(o.options.items);
	return r;
}
