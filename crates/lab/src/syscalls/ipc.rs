//! System V IPC, and POSIX queues.

use sysv::tables::Kind::{Msg, Sem, Shm};

use super::args::As::*;
use super::cells::*;
use super::notes::{self, say};

rows! {
    SYS_shmget shmget(key Key, size Size, shmflg GetFlags(Shm)) {
        shown: Shown::Always,
        object: Object::Get { kind: Shm, flags: 2 },
        touches: &[Touch::Object],
        explain: notes::shmget,
    }
    SYS_shmat shmat(shmid Int, shmaddr Pointer, shmflg Attach) {
        answer: Spelling::Address,
        shown: Shown::Always,
        object: Object::Attach,
        touches: &[Touch::Object],
        explain: notes::shmat,
    }
    SYS_shmdt shmdt(shmaddr Pointer) {
        shown: Shown::Always,
        object: Object::Detach,
        touches: &[Touch::Object],
        explain: notes::shmdt,
    }
    SYS_shmctl shmctl(shmid Int, cmd Command(Shm), buf Records(Shm)) {
        shown: Shown::Always,
        object: Object::Control { kind: Shm, command: 1 },
        touches: &[Touch::Object],
        explain: notes::shmctl,
    }

    SYS_msgget msgget(key Key, msgflg GetFlags(Msg)) {
        shown: Shown::Always,
        object: Object::Get { kind: Msg, flags: 1 },
        touches: &[Touch::Object],
        explain: notes::msgget,
    }
    SYS_msgsnd msgsnd(msqid Int, msgp MessageIn, msgsz Size, msgflg Message) {
        shown: Shown::Always,
        sleep: Sleep::Yes,
        wakes: Wakes::Waiters,
        object: Object::Use(Msg),
        touches: &[Touch::Object],
        explain: notes::msgsnd,
        asleep: Some(say("sleeps until there is room in the queue", "4.1")),
    }
    SYS_msgrcv msgrcv(msqid Int, msgp OutMessage, msgsz Size, msgtyp Long, msgflg Message) {
        shown: Shown::Always,
        sleep: Sleep::Yes,
        object: Object::Use(Msg),
        touches: &[Touch::Object],
        explain: notes::msgrcv,
        asleep: Some(say("sleeps until there is such a message", "4.1")),
    }
    SYS_msgctl msgctl(msqid Int, cmd Command(Msg), buf Records(Msg)) {
        shown: Shown::Always,
        object: Object::Control { kind: Msg, command: 1 },
        touches: &[Touch::Object],
        explain: notes::msgctl,
    }

    SYS_semget semget(key Key, nsems Int, semflg GetFlags(Sem)) {
        shown: Shown::Always,
        object: Object::Get { kind: Sem, flags: 2 },
        touches: &[Touch::Object],
        explain: notes::semget,
    }
    SYS_semop semop(semid Int, sops Operations, nsops Size) {
        shown: Shown::Always,
        sleep: Sleep::Yes,
        wakes: Wakes::Waiters,
        object: Object::Use(Sem),
        touches: &[Touch::Object],
        explain: notes::semop,
        asleep: Some(notes::SEMOP_SLEEPS),
    }
    SYS_semtimedop semtimedop(semid Int, sops Operations, nsops Size, timeout Time) {
        shown: Shown::Always,
        sleep: Sleep::Yes,
        limit: Some(TimeLimit { error: libc::EAGAIN, ..TimeLimit::new(3, Unit::Timespec) }),
        wakes: Wakes::Waiters,
        object: Object::Use(Sem),
        touches: &[Touch::Object, Touch::Time],
        explain: notes::semop,
        asleep: Some(notes::SEMOP_SLEEPS),
    }
    SYS_semctl semctl(semid Int, semnum Int, cmd Command(Sem), arg Records(Sem)) {
        shown: Shown::Always,
        wakes: Wakes::Waiters,
        object: Object::Control { kind: Sem, command: 2 },
        touches: &[Touch::Object],
        explain: notes::semctl,
    }

    SYS_mq_open mq_open() {}
    SYS_mq_unlink mq_unlink() {}
    SYS_mq_timedsend mq_timedsend(fd Int) {
        sleep: Sleep::Yes,
        limit: Some(QUEUE_LIMIT),
        touches: &[Touch::Descriptor],
    }
    SYS_mq_timedreceive mq_timedreceive(fd Int) {
        sleep: Sleep::Yes,
        limit: Some(QUEUE_LIMIT),
        touches: &[Touch::Descriptor],
    }
}

const QUEUE_LIMIT: TimeLimit =
    TimeLimit { from: Since::Day, error: libc::ETIMEDOUT, ..TimeLimit::new(4, Unit::Timespec) };
