//! Sockets.

use super::args::As::*;
use super::cells::*;

const ON_DESCRIPTOR: &[Touch] = &[Touch::Descriptor];

rows! {
    SYS_bind bind(fd Int) { touches: ON_DESCRIPTOR }
    SYS_listen listen(fd Int) { touches: ON_DESCRIPTOR }
    SYS_connect connect(fd Int) {
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
    }
    SYS_accept accept(fd Int) {
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
    }
    SYS_accept4 accept4(fd Int) {
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
    }
    SYS_sendto sendto(fd Int) {
        sleep: Sleep::Yes,
        wakes: Wakes::Reader,
        touches: ON_DESCRIPTOR,
    }
    SYS_sendmsg sendmsg(fd Int) {
        sleep: Sleep::Yes,
        wakes: Wakes::Reader,
        touches: ON_DESCRIPTOR,
    }
    SYS_recvfrom recvfrom(fd Int) {
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
    }
    SYS_recvmsg recvmsg(fd Int) {
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
    }
    SYS_shutdown shutdown(fd Int) { touches: ON_DESCRIPTOR }
    // SO_RCVTIMEO and SO_SNDTIMEO are limits that are not ours.
    SYS_setsockopt setsockopt(fd Int) {
        touches: ON_DESCRIPTOR,
        changes: Changes::ForeignTimer,
    }
}
