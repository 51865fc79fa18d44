//! Sockets.

use super::args::As::*;
use super::cells::*;

const ON_DESCRIPTOR: &[Touch] = &[Touch::Descriptor];
const RECEIVES: TimeLimit = TimeLimit::of_socket(libc::SO_RCVTIMEO);
const SENDS: TimeLimit = TimeLimit::of_socket(libc::SO_SNDTIMEO);

rows! {
    SYS_bind bind(fd Int, addr Pointer, addrlen Size) {
        touches: ON_DESCRIPTOR,
        changes: Changes::Binds,
    }
    SYS_listen listen(fd Int, backlog Int) { touches: ON_DESCRIPTOR }
    SYS_connect connect(fd Int, addr Pointer, addrlen Size) {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit { error: libc::EINPROGRESS, ..SENDS }),
        touches: ON_DESCRIPTOR,
    }
    SYS_accept accept(fd Int, addr Pointer, addrlen Pointer) {
        sleep: Sleep::Yes,
        limit: Some(RECEIVES),
        touches: ON_DESCRIPTOR,
    }
    SYS_accept4 accept4(fd Int, addr Pointer, addrlen Pointer, flags Hex) {
        sleep: Sleep::Yes,
        limit: Some(RECEIVES),
        touches: ON_DESCRIPTOR,
    }
    SYS_sendto sendto(fd Int, buf Text, len Size, flags Hex, dest_addr Pointer, addrlen Size) {
        sleep: Sleep::Yes,
        limit: Some(SENDS),
        wakes: Wakes::Reader,
        touches: ON_DESCRIPTOR,
    }
    SYS_sendmsg sendmsg(fd Int, msg Pointer, flags Hex) {
        sleep: Sleep::Yes,
        limit: Some(SENDS),
        wakes: Wakes::Reader,
        touches: ON_DESCRIPTOR,
    }
    SYS_recvfrom recvfrom(fd Int, buf OutText, len Size, flags Hex, src_addr Pointer, addrlen Pointer) {
        sleep: Sleep::Yes,
        limit: Some(RECEIVES),
        touches: ON_DESCRIPTOR,
    }
    SYS_recvmsg recvmsg(fd Int, msg Pointer, flags Hex) {
        sleep: Sleep::Yes,
        limit: Some(RECEIVES),
        touches: ON_DESCRIPTOR,
    }
    SYS_shutdown shutdown(fd Int, how Int) { touches: ON_DESCRIPTOR }
    SYS_setsockopt setsockopt(fd Int, level Int, optname Int, optval Pointer, optlen Size) {
        touches: ON_DESCRIPTOR,
        changes: Changes::SocketLimit,
    }
    SYS_getsockopt getsockopt(fd Int, level Int, optname Int, optval Pointer, optlen Pointer) {
        touches: ON_DESCRIPTOR,
        changes: Changes::AsksSocketLimit,
    }
}
