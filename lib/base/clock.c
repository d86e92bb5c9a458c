/* Time: what people type, what they read, and intervals. */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

static int64_t clock_read(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_wall_ns(void)
{
	return clock_read(CLOCK_REALTIME);
}

int64_t clock_ctime_ns(const struct stat *st)
{
	return st->st_ctim.tv_sec * NS_PER_S + st->st_ctim.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

#define TRUST_AHEAD_NS (60 * NS_PER_S)
#define TRUST_AFTER_NS (86400 * NS_PER_S)

int64_t clock_trust_ns(struct clock_trust *t, int64_t wall_ns, int64_t mono_ns)
{
	int64_t offset = wall_ns - mono_ns;
	bool ahead = t->set && offset > t->offset_ns + TRUST_AHEAD_NS;
	if (ahead && !t->ahead_ns)
		t->ahead_ns = mono_ns;
	if (!ahead || mono_ns - t->ahead_ns > TRUST_AFTER_NS) {
		t->set = true;
		t->offset_ns = offset;
		t->ahead_ns = 0;
	}
	return mono_ns + t->offset_ns;
}

static struct clock_trust inherited; /* constant after the start */

void clock_trust_inherit(int64_t offset_ns)
{
	inherited = (struct clock_trust){.set = true, .offset_ns = offset_ns};
}

struct clock_trust clock_trusted(void)
{
	return inherited;
}

void clock_format(int64_t wall_ns, char *out, size_t size)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;
	localtime_r(&s, &tm);
	char text[24];
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(out, size, "%s.%03d", text,
		 (int)(wall_ns % NS_PER_S / NS_PER_MS));
}

int clock_parse_span(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		int64_t ns;
	} units[] = {
		{"", NS_PER_S},		 {"ms", NS_PER_MS},
		{"s", NS_PER_S},	 {"m", 60 * NS_PER_S},
		{"min", 60 * NS_PER_S},	 {"h", 3600 * NS_PER_S},
		{"d", 86400 * NS_PER_S}, {"w", 7 * 86400 * NS_PER_S},
	};
	char *end;
	errno = 0;
	double v = strtod(text, &end);
	if (end == text || errno || !(v >= 0))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0) {
			double ns = v * (double)units[i].ns;
			if (ns > 9e18)
				return -EINVAL;
			*ret_ns = (int64_t)ns;
			return 0;
		}
	}
	return -EINVAL;
}

/* clock_ns - of seconds; a year that has no such number is the last, or first, that
 * has: 1678 to 2261. */
static int64_t clock_ns(time_t s)
{
	const time_t max = INT64_MAX / NS_PER_S - 1;
	return (s > max ? max : s < -max ? -max : s) * NS_PER_S;
}

/* clock_midnight - that of the day `days` from that of `now_ns`, local time. */
static int64_t clock_midnight(int64_t now_ns, int days)
{
	time_t s = (time_t)(now_ns / NS_PER_S);
	struct tm tm;
	localtime_r(&s, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday += days;
	tm.tm_isdst = -1;
	return clock_ns(mktime(&tm));
}

static int clock_parse_date(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	static const char *const forms[] = {
		"%Y-%m-%d %H:%M:%S",
		"%Y-%m-%dT%H:%M:%S",
		"%Y-%m-%d %H:%M",
		"%Y-%m-%dT%H:%M",
		"%Y-%m-%d",
		"%H:%M:%S",
		"%H:%M",
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		time_t now = (time_t)(now_ns / NS_PER_S);
		struct tm tm;
		localtime_r(&now, &tm);
		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		tm.tm_isdst = -1;
		const char *end = strptime(text, forms[i], &tm);
		if (!end)
			continue;
		int64_t frac = 0;
		if (*end == '.') {
			char *stop;
			frac = (int64_t)(strtod(end, &stop) * 1e9);
			end = stop;
		}
		if (*end)
			continue;
		*ret_ns = clock_ns(mktime(&tm)) + frac;
		return 0;
	}
	return -EINVAL;
}

int clock_parse(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	int64_t span;
	if (strcmp(text, "now") == 0)
		*ret_ns = now_ns;
	else if (strcmp(text, "today") == 0)
		*ret_ns = clock_midnight(now_ns, 0);
	else if (strcmp(text, "yesterday") == 0)
		*ret_ns = clock_midnight(now_ns, -1);
	else if (clock_parse_date(text, now_ns, ret_ns) == 0)
		return 0;
	else if (clock_parse_span(text, &span) == 0)
		*ret_ns = now_ns - span;
	else
		return -EINVAL;
	return 0;
}
