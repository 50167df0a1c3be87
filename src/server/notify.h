#pragma once

/*
 * notify_manager: tell the service manager, when there is one, how we are ("READY=1"): one datagram to $NOTIFY_SOCKET.
 * The protocol is stable and documented to be spoken without libsystemd (sd_notify(3)), which would bring five
 * libraries into every process.
 */
void notify_manager(const char *state);
