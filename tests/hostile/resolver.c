/* Preloaded: writes down every host that is looked up and every address that is connected to, but for this
   machine's own, and lets none of it happen. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *what, const char *name) {
    const char *file = getenv("ASKED");
    char line[600];
    int n = snprintf(line, sizeof line, "%s %s\n", what, name ? name : "(none)");
    int handle = file ? open(file, O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
    if (handle >= 0) {
        if (write(handle, line, n) < 0) abort();
        close(handle);
    }
}

static int is_own(const char *name) {
    return !name || !*name || !strcmp(name, "localhost") || !strncmp(name, "127.", 4) || !strcmp(name, "::1")
        || !strcmp(name, "0.0.0.0") || !strcmp(name, "::");
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    if (is_own(name)) return real(name, service, hints, found);
    note("getaddrinfo", name);
    return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name) {
    note("gethostbyname", name);
    h_errno = NO_RECOVERY;
    return NULL;
}

int gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **found,
                    int *error) {
    note("gethostbyname_r", name);
    *found = NULL;
    *error = NO_RECOVERY;
    return NO_RECOVERY;
}

int connect(int handle, const struct sockaddr *address, socklen_t size) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    char text[INET6_ADDRSTRLEN] = "127.";
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof text);
    if (is_own(text) || !strncmp(text, "::ffff:127.", 11)) return real(handle, address, size);
    note("connect", text);
    errno = ENETUNREACH;
    return -1;
}
