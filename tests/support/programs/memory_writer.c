/* memory_writer PATH read-write|read-only: maps a file shared, as a vhost-user back-end or a debugger would,
 * and obeys lines on standard input: write OFFSET BYTE     one byte through the mapping read OFFSET prints
 * the byte there Says "mapped" once it has the mapping, and "ok" or the byte after each line. Ends with its
 * input. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv) {
        if (argc != 3)
                return 2;
        int writable = strcmp(argv[2], "read-write") == 0;
        struct stat st;
        int fd = open(argv[1], (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0) {
                perror(argv[1]);
                return 1;
        }
        size_t size = (size_t)st.st_size;
        unsigned char *m = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (m == MAP_FAILED) {
                perror("mmap");
                return 1;
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        printf("mapped\n");

        char line[128];
        unsigned long offset;
        unsigned byte;
        while (fgets(line, sizeof line, stdin)) {
                if (sscanf(line, "write %lu %u", &offset, &byte) == 2 && writable && offset < size) {
                        m[offset] = (unsigned char)byte;
                        printf("ok\n");
                } else if (sscanf(line, "read %lu", &offset) == 1 && offset < size) {
                        printf("%u\n", m[offset]);
                } else {
                        return 2;
                }
        }
        return 0;
}
