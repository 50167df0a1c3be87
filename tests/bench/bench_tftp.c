/*
 * A load of TFTP clients: so many at once, each fetching one file after the other with blocks of 512 octets and no
 * options, as a 7940 does. run_tftp.py points it at several servers in turn.
 *
 * usage: bench_tftp [-c CLIENTS] [-p PROCESSES] [-s SECONDS] [-r] HOST PORT FILE...
 *
 * FILE is the name to ask for, of which this program has the octets under the same path: every transfer is compared.
 * -r: a client keeps its port for all its transfers (else every transfer has a new one, as phones have).
 * Prints one line: completed, failed, stalls (a wait of more than a second for the server's next packet), seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define BLOCK 512
#define STALL_S 1.0
#define GIVE_UP_S 10.0
#define MAX_EVENTS 256

struct totals {
	unsigned long completed, failed, stalls;
};

struct file {
	const char *name;
	const uint8_t *data;
	size_t size;
};

struct client {
	int fd;
	const struct file *file;
	struct sockaddr_in6 tid; /* of either family; family 0 before the first DATA */
	unsigned block;          /* received so far */
	double sent;             /* when the last packet went out */
	double begun;
	bool stalled;
};

struct load {
	struct sockaddr_in6 server;
	socklen_t addr_len;
	const struct file *files;
	int n_files;
	unsigned next_file;
	bool same_port;
	bool ending;
	int epoll;
	unsigned running;
	double now;
	struct totals *totals;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_tftp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_port(struct load *l, struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

	c->fd = socket(l->server.sin6_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("socket");
}

static void send_request(struct load *l, struct client *c)
{
	char packet[512] = {0, 1};
	int n = snprintf(packet + 2, sizeof(packet) - 2, "%s%coctet", c->file->name, '\0');

	sendto(c->fd, packet, (size_t)n + 3, 0, (struct sockaddr *)&l->server, l->addr_len);
	c->sent = l->now;
	c->stalled = false;
}

static void send_ack(struct load *l, struct client *c)
{
	const uint8_t packet[4] = {0, 4, (uint8_t)(c->block >> 8), (uint8_t)c->block};

	sendto(c->fd, packet, sizeof(packet), 0, (struct sockaddr *)&c->tid, l->addr_len);
	c->sent = l->now;
	c->stalled = false;
}

static void begin(struct load *l, struct client *c)
{
	if (c->fd >= 0 && (l->ending || !l->same_port)) {
		close(c->fd);
		c->fd = -1;
	}
	if (l->ending) {
		l->running--;
		return;
	}
	if (c->fd < 0)
		open_port(l, c);
	c->file = &l->files[l->next_file++ % (unsigned)l->n_files];
	c->tid.sin6_family = 0;
	c->block = 0;
	c->begun = l->now;
	send_request(l, c);
}

static void finish(struct load *l, struct client *c, bool good)
{
	if (good)
		l->totals->completed++;
	else
		l->totals->failed++;
	begin(l, c);
}

/* The next block, or not: true when it was and is what the file has there. */
static void take_data(struct load *l, struct client *c, const uint8_t *packet, size_t n)
{
	unsigned block = (unsigned)(packet[2] << 8 | packet[3]);
	size_t offset = (size_t)c->block * BLOCK;
	size_t want = c->file->size - offset < BLOCK ? c->file->size - offset : BLOCK;

	if (block != ((c->block + 1) & 0xffff))
		return;
	if (n - 4 != want || memcmp(packet + 4, c->file->data + offset, want) != 0) {
		finish(l, c, false);
		return;
	}
	c->block++;
	send_ack(l, c);
	if (want < BLOCK)
		finish(l, c, true);
}

static void receive(struct load *l, struct client *c)
{
	uint8_t packet[BLOCK + 64];
	struct sockaddr_in6 from = {0};
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(c->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len);

	if (n < 4)
		return;
	if (c->tid.sin6_family && memcmp(&from, &c->tid, l->addr_len) != 0)
		return; /* of an earlier transfer */
	if (packet[1] == 5) {
		finish(l, c, false);
	} else if (packet[1] == 3) {
		c->tid = from;
		take_data(l, c, packet, (size_t)n);
	}
}

/* Notice who waits for too long, and ask again as a phone would. */
static void look_after(struct load *l, struct client *clients, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct client *c = &clients[i];

		if (c->fd < 0 || l->now - c->sent < STALL_S)
			continue;
		l->totals->stalls++;
		if (l->now - c->begun > GIVE_UP_S)
			finish(l, c, false);
		else if (c->block)
			send_ack(l, c);
		else
			send_request(l, c);
	}
}

static void run(struct load *l, unsigned n, double seconds)
{
	struct client *clients = calloc(n, sizeof(*clients));
	struct epoll_event events[MAX_EVENTS];
	double start = bench_now(), looked = start;

	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!clients || l->epoll < 0)
		die("start");
	l->now = start;
	l->running = n;
	for (unsigned i = 0; i < n; i++) {
		clients[i].fd = -1;
		begin(l, &clients[i]);
	}
	while (l->running) {
		int got = epoll_wait(l->epoll, events, MAX_EVENTS, 100);

		l->now = bench_now();
		l->ending = l->now - start >= seconds;
		for (int i = 0; i < got; i++)
			receive(l, events[i].data.ptr);
		if (l->now - looked > 0.1) {
			looked = l->now;
			look_after(l, clients, n);
		}
	}
	free(clients);
}

static void load_file(struct file *f, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	f->name = path;
	f->size = (size_t)st.st_size;
	f->data = mmap(NULL, f->size + 1, PROT_READ, MAP_PRIVATE, fd, 0);
	if (f->data == MAP_FAILED)
		die(path);
	close(fd);
}

static void set_server(struct load *l, const char *host, const char *port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&l->server;

	if (strchr(host, ':')) {
		l->server.sin6_family = AF_INET6;
		l->server.sin6_port = htons((uint16_t)atoi(port));
		l->addr_len = sizeof(l->server);
		if (inet_pton(AF_INET6, host, &l->server.sin6_addr) != 1)
			die(host);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(port));
		l->addr_len = sizeof(*v4);
		if (inet_pton(AF_INET, host, &v4->sin_addr) != 1)
			die(host);
	}
}

int main(int argc, char **argv)
{
	unsigned clients = 256, processes = 1;
	double seconds = 3;
	struct load l = {0};
	int option;

	while ((option = getopt(argc, argv, "c:p:s:r")) != -1) {
		if (option == 'c')
			clients = (unsigned)atoi(optarg);
		else if (option == 'p')
			processes = (unsigned)atoi(optarg);
		else if (option == 's')
			seconds = atof(optarg);
		else if (option == 'r')
			l.same_port = true;
		else
			return 3;
	}
	if (argc - optind < 3 || !clients || !processes || processes > clients) {
		fprintf(stderr, "usage: bench_tftp [-c CLIENTS] [-p PROCESSES] [-s SECONDS] [-r] HOST PORT FILE...\n");
		return 3;
	}
	set_server(&l, argv[optind], argv[optind + 1]);
	l.n_files = argc - optind - 2;
	struct file *files = calloc((size_t)l.n_files, sizeof(*files));
	struct totals *totals = mmap(NULL, processes * sizeof(*totals), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!files || totals == MAP_FAILED)
		die("memory");
	for (int i = 0; i < l.n_files; i++)
		load_file(&files[i], argv[optind + 2 + i]);
	l.files = files;
	double start = bench_now();
	for (unsigned i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			l.totals = &totals[i];
			l.next_file = i * 7919;
			run(&l, clients / processes + (i < clients % processes), seconds);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	double took = bench_now() - start;
	struct totals sum = {0};
	for (unsigned i = 0; i < processes; i++) {
		sum.completed += totals[i].completed;
		sum.failed += totals[i].failed;
		sum.stalls += totals[i].stalls;
	}
	printf("completed %lu failed %lu stalls %lu seconds %.3f per-second %.0f\n", sum.completed, sum.failed, sum.stalls,
	       took, (double)sum.completed / took);
	return sum.completed ? 0 : 1;
}
