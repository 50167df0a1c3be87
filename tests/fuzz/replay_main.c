/*
 * Runs a fuzz entry over seeds as an ordinary test, without libFuzzer: each seed whole, cut at every length and with one
 * bit of every octet flipped. Arguments: files, and folders whose files are taken (ORIGIN notes left out).
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_STEPS 8192 /* cuts and flips of one seed; a larger seed is sampled evenly */
#define MAX_SEED (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long n_seeds, n_inputs;

/* A buffer of exactly n octets, so that a sanitizer sees a read one past its end. */
static void run(const uint8_t *data, size_t n)
{
	uint8_t *exact = calloc(1, n ? n : 1); /* so that gcc sees it set */

	if (!exact)
		abort();
	if (n)
		memcpy(exact, data, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	n_inputs++;
}

static void run_variants(uint8_t *data, size_t n)
{
	size_t step = n / MAX_STEPS + 1;

	run(data, n);
	for (size_t i = 0; i < n; i += step)
		run(data, i);
	for (size_t i = 0; i < n; i += step) {
		uint8_t bit = (uint8_t)(1u << i / step % 8);
		data[i] ^= bit;
		run(data, n);
		data[i] ^= bit;
	}
}

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(MAX_SEED);

	if (!f || !data) {
		perror(path);
		exit(1);
	}
	size_t n = fread(data, 1, MAX_SEED, f);
	fclose(f);
	n_seeds++;
	run_variants(data, n);
	free(data);
}

static void run_folder(const char *path)
{
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort);

	if (n < 0) {
		perror(path);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		char name[4096];
		struct stat st;
		snprintf(name, sizeof(name), "%s/%s", path, names[i]->d_name);
		if (strcmp(names[i]->d_name, "ORIGIN") != 0 && stat(name, &st) == 0 && S_ISREG(st.st_mode))
			run_file(name);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	struct stat st;

	run((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) < 0) {
			perror(argv[i]);
			return 1;
		}
		if (S_ISDIR(st.st_mode))
			run_folder(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("%lu seeds, %lu inputs\n", n_seeds, n_inputs);
	return n_seeds ? 0 : 1; /* a test that ran nothing has not passed */
}
