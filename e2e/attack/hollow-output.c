/*
 * hollow-output EMPTY ROUNDS: ROUNDS blocks of 64 KiB on standard output, of `a`, of `b` and so on, and before each EMPTY writes from where no memory
 * is. Kernels before 6.15 leave an empty buffer in the pipe for each of these. Says `written` on standard error in the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char block[65536];

int main(int count, char **words) {
  if (count != 3) return 2;
  const int empty = atoi(words[1]), rounds = atoi(words[2]);
  /* The compiler would warn of a NULL that it sees. */
  const char *volatile nowhere = NULL;
  for (int round = 0; round < rounds; round++) {
    for (int each = 0; each < empty; each++)
      if (write(1, nowhere, 4096) != -1 || errno != EFAULT) return 3;
    memset(block, 'a' + round % 26, sizeof block);
    for (size_t at = 0; at < sizeof block;) {
      const ssize_t written = write(1, block + at, sizeof block - at);
      if (written < 0) return 4;
      at += written;
    }
  }
  return write(2, "written\n", 8) == 8 ? 0 : 5;
}
