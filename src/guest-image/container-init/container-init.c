/*
 * Process 1 of a container that was run with --init: starts the command, passes signals on to it, waits for every process that has lost its
 * parent, and ends as the command ends. With process 1 all others of the container end.
 *
 *   container-init -- COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* As of a shell: found, but not to be executed; not found. */
enum { cannot_execute = 126, not_found = 127 };

static int start(char **command, const sigset_t *usual)
{
	/* A group of its own, in the foreground of the terminal: what is typed there reaches the command once, and not by this process. */
	setpgid(0, 0);
	tcsetpgrp(STDIN_FILENO, getpgrp());
	sigprocmask(SIG_SETMASK, usual, NULL);
	execvp(command[0], command);
	int code = errno == ENOENT || errno == ENOTDIR ? not_found : cannot_execute;
	fprintf(stderr, "container-init: %s: %s\n", command[0], strerror(errno));
	return code;
}

/* Takes the end of every process that has ended; whether the command was one of them, whose exit code is then stored. */
static int reap(pid_t command, int *code)
{
	int has_ended = 0, status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid != command)
			continue;
		has_ended = 1;
		*code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	return has_ended;
}

int main(int count, char **words)
{
	if (count < 3 || strcmp(words[1], "--") != 0)
		return cannot_execute;
	sigset_t all, usual;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &usual);
	pid_t command = fork();
	if (command < 0) {
		perror("container-init: fork");
		return cannot_execute;
	}
	if (command == 0)
		return start(words + 2, &usual);
	for (int code;;) {
		int number = sigwaitinfo(&all, NULL);
		if (number == SIGCHLD) {
			if (reap(command, &code))
				return code;
		} else if (number > 0 && number != SIGTTIN && number != SIGTTOU) {
			kill(command, number);
		}
	}
}
