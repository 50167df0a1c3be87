#include "testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/client.h"
#include "admin/command.h"
#include "admin/control.h"

/* The client in front of a node that sends what a test has written beforehand, right or wrong. */

static char folder[64], target[80];
static struct wr script;
static volatile sig_atomic_t interrupted;
static const char *reply;    /* what the person answers; NULL: Ctrl-D */
static char asked[100];
static char *out_text, *err_text;
static size_t out_len, err_len;
static struct admin_client client;

static int answer(void *ctx, const char *prompt, bool secret, const sigset_t *waking, char *out, size_t size)
{
	(void)ctx;
	(void)secret;
	(void)waking;
	snprintf(asked, sizeof(asked), "%s", prompt);
	if (!reply)
		return -1;
	return snprintf(out, size, "%s", reply);
}

static int setup(void **state)
{
	char path[128];

	(void)state;
	strcpy(folder, "/tmp/ringfence-client-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(target, sizeof(target), "%s/got", folder);
	assert_int_equal(mkdir(target, 0700), 0);
	snprintf(path, sizeof(path), "%s/run", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/ringfence.conf", folder);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	wr_init(&script, 1 << 20);
	reply = NULL;
	asked[0] = '\0';
	interrupted = 0;
	client = (struct admin_client){.data_dir = folder, .tty = true, .columns = 80, .answer = answer,
				       .interrupted = &interrupted};
	client.out = open_memstream(&out_text, &out_len);
	client.err = open_memstream(&err_text, &err_len);
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	fclose(client.out);
	fclose(client.err);
	free(out_text);
	free(err_text);
	wr_clear(&script);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/*
 * The node, in a process of its own: reads one message, sends the script in pieces of `piece` octets, reads one more
 * message when there is one, and ends. Its exit status is the type of that last message, 0 for none.
 */
static void node(int listener, size_t piece)
{
	struct view v = wr_view_all(&script);
	uint8_t buf[CONTROL_BODY_MAX];
	int fd = accept(listener, NULL, NULL);

	/* Exactly the request: another message may be behind it already. */
	if (fd < 0 || recv(fd, buf, CONTROL_HEADER, MSG_WAITALL) != CONTROL_HEADER ||
	    recv(fd, buf, (size_t)(buf[3] << 8 | buf[4]), MSG_WAITALL) <= 0)
		_exit(99);
	while (v.len) {
		size_t n = v.len < piece ? v.len : piece;
		if (send(fd, v.p, n, MSG_NOSIGNAL) < 0)
			break;
		v = (struct view){v.p + n, v.len - n};
	}
	shutdown(fd, SHUT_WR);
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	_exit(n > 0 ? buf[0] : 0);
}

/* Have `line` done by the scripted node. Returns what admin_client_run does; *last is the node's exit status. */
static int run(const char *line, size_t piece, int *status, int *last, struct err *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct grammar_line l;
	struct grammar_match m;
	int ended;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", folder, CONTROL_SOCKET);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	pid_t pid = fork();
	if (pid == 0)
		node(listener, piece);
	close(listener);
	assert_ok(grammar_split(line, &l, e), e);
	assert_ok(grammar_match(admin_grammar, &l, &m, e), e);
	int rc = admin_client_run(&client, &m, status, e);
	assert_int_equal(waitpid(pid, &ended, 0), pid);
	*last = WEXITSTATUS(ended);
	unlink(at.sun_path);
	grammar_match_clear(&m);
	grammar_line_clear(&l);
	fflush(client.out);
	fflush(client.err);
	return rc;
}

static size_t files_in_target(void)
{
	DIR *d = opendir(target);
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void get_line(char *line, size_t size)
{
	snprintf(line, size, "file get tftp x --to %s", target);
}

static void put(enum control_type type, const char *text)
{
	assert_true(control_put(&script, type, view_str(text)));
}

static void test_output(void **state)
{
	static const size_t pieces[] = {1, 3, 7, 100000};

	(void)state;
	put(CONTROL_OUTPUT, "one\n");
	put(CONTROL_ERROR, "two\n");
	put(CONTROL_OUTPUT, "three\n");
	control_put_done(&script, 1);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct err e = ERR_INIT;
		int status = -1, last;

		rewind(client.out);
		rewind(client.err);
		assert_ok(run("show ctl", pieces[i], &status, &last, &e), &e);
		assert_int_equal(status, 1);
		assert_string_equal(out_text, "one\nthree\n");
		assert_string_equal(err_text, "two\n");
	}
}

static void test_question(void **state)
{
	struct err e = ERR_INIT;
	int status = -1, last;

	(void)state;
	reply = "y";
	control_put_prompt(&script, CONTROL_PROMPT_LINE, "Sure? ");
	assert_err(run("show ctl", 1000, &status, &last, &e), ERR_CLOSED); /* the script ends behind the question */
	assert_string_equal(asked, "Sure? ");
	assert_int_equal(last, CONTROL_ANSWER);
	assert_int_equal(status, -1);
}

static void test_no_answer_cancels(void **state)
{
	struct err e = ERR_INIT;
	int status = -1, last;

	(void)state;
	control_put_prompt(&script, CONTROL_PROMPT_SECRET, "Password: ");
	assert_err(run("show ctl", 1000, &status, &last, &e), ERR_CLOSED);
	assert_int_equal(last, CONTROL_CANCEL);
}

static void test_interrupt_cancels(void **state)
{
	struct err e = ERR_INIT;
	int status = -1, last;

	(void)state;
	interrupted = 1;
	control_put_done(&script, 1);
	assert_ok(run("show ctl", 1000, &status, &last, &e), &e);
	assert_int_equal(last, CONTROL_CANCEL);
	assert_int_equal(status, 1);
}

static void test_file(void **state)
{
	char line[200], path[200], text[100] = "";
	struct err e = ERR_INIT;
	int status = -1, last;

	(void)state;
	control_put_file(&script, 6, "one.xml");
	put(CONTROL_DATA, "abc");
	put(CONTROL_DATA, "def");
	put(CONTROL_FILE_END, "");
	control_put_file(&script, 0, "empty");
	put(CONTROL_FILE_END, "");
	control_put_done(&script, 0);
	get_line(line, sizeof(line));
	assert_ok(run(line, 5, &status, &last, &e), &e);
	assert_int_equal(files_in_target(), 2);
	snprintf(path, sizeof(path), "%s/one.xml", target);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 6);
	close(fd);
	assert_string_equal(text, "abcdef");
	assert_non_null(strstr(out_text, "/one.xml\n"));
}

/* Whatever a node does wrong with a file: an error, and nothing of the file stays. */
static void file_refused(int class)
{
	char line[200];
	struct err e = ERR_INIT;
	int status = -1, last;

	get_line(line, sizeof(line));
	assert_err(run(line, 1000, &status, &last, &e), class);
	assert_int_equal(files_in_target(), 0);
	wr_clear(&script);
	wr_init(&script, 1 << 20);
}

static void test_bad_files(void **state)
{
	(void)state;
	control_put_file(&script, 6, "one.xml"); /* shorter than announced */
	put(CONTROL_DATA, "abc");
	put(CONTROL_FILE_END, "");
	file_refused(ERR_PROTO);
	control_put_file(&script, 2, "one.xml"); /* longer */
	put(CONTROL_DATA, "abc");
	file_refused(ERR_PROTO);
	control_put_file(&script, 6, "one.xml"); /* the node dies */
	put(CONTROL_DATA, "abc");
	file_refused(ERR_CLOSED);
	control_put_file(&script, 6, "../one.xml"); /* out of the folder */
	file_refused(ERR_PROTO);
	control_put_file(&script, 6, "one.xml"); /* a file in a file */
	control_put_file(&script, 6, "two.xml");
	file_refused(ERR_PROTO);
	put(CONTROL_DATA, "abc"); /* of no file */
	file_refused(ERR_PROTO);
	put(CONTROL_FILE_END, "");
	file_refused(ERR_PROTO);
	put(CONTROL_ANSWER, "y"); /* what only clients say */
	file_refused(ERR_PROTO);
	put(CONTROL_DONE, "");
	file_refused(ERR_PROTO);
}

/* DONE in the middle of a file: the command failed, and what came is thrown away. */
static void test_file_given_up(void **state)
{
	char line[200];
	struct err e = ERR_INIT;
	int status = -1, last;

	(void)state;
	control_put_file(&script, 6, "one.xml");
	put(CONTROL_DATA, "abc");
	put(CONTROL_ERROR, "one.xml: it became shorter meanwhile\n");
	control_put_done(&script, 1);
	get_line(line, sizeof(line));
	assert_ok(run(line, 1000, &status, &last, &e), &e);
	assert_int_equal(status, 1);
	assert_int_equal(files_in_target(), 0);
}

static void test_connect_says_why(void **state)
{
	char path[128];
	struct err e = ERR_INIT;
	int fd = -1;

	(void)state;
	assert_err(admin_client_connect("/nonexistent/node", &fd, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "ringfence init --data /nonexistent/node"));
	err_clear(&e);
	assert_err(admin_client_connect(target, &fd, &e), ERR_USAGE);
	err_clear(&e);
	assert_err(admin_client_connect(folder, &fd, &e), ERR_CLOSED);
	assert_non_null(strstr(e.text, "ringfence serve --data /tmp/ringfence-client-"));
	/* A socket that a killed node left behind. */
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", folder, CONTROL_SOCKET);
	int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&at, sizeof(at)), 0);
	close(dead);
	err_clear(&e);
	assert_err(admin_client_connect(folder, &fd, &e), ERR_CLOSED);
	snprintf(path, sizeof(path), "%s/ringfence.conf", folder);
	unlink(path);
	err_clear(&e);
	assert_err(admin_client_connect(folder, &fd, &e), ERR_USAGE);
	assert_int_equal(fd, -1);
}

/* The file is read where the person is, and only the file that the command names. */
static void test_upload(void **state)
{
	char path[200], line[300];
	struct err e = ERR_INIT;
	int status = -1, last = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/phones.csv", target);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("Device Name\n", f);
	fclose(f);
	snprintf(line, sizeof(line), "phone import %s", path);
	control_put_prompt(&script, CONTROL_PROMPT_FILE, "");
	assert_err(run(line, 1000, &status, &last, &e), ERR_CLOSED); /* the script ends there */
	assert_int_equal(last, CONTROL_UPLOAD);
	err_clear(&e);
	assert_err(run("show ctl", 1000, &status, &last, &e), ERR_PROTO);
	assert_string_equal(e.rule, "control-order");
	unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_output),   TEST(test_question),      TEST(test_no_answer_cancels), TEST(test_interrupt_cancels),
		TEST(test_file),     TEST(test_bad_files),     TEST(test_file_given_up),     TEST(test_connect_says_why),
		TEST(test_upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
