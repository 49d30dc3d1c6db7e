/* A workload that does nothing: it waits until it is asked to end, and ends at once. */
#include <signal.h>
#include <unistd.h>

static void end(int signal) { (void)signal; _exit(0); }

int main(void) {
	signal(SIGINT, end);
	signal(SIGTERM, end);
	for (;;) pause();
}
