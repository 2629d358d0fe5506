"""The server: a loop that always answers, one thread that calls the instrument, one that makes it safe.

`ping`, `stop` and `make_safe` overtake whatever the instrument is doing. Silence of the client that holds the lease, a
deadline that passed and a call that hangs all end the same way: the server makes the instrument safe.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Mapping
from typing import Any

import zmq

from instruments.bridge.acting import Acting
from instruments.bridge.audit import Audit
from instruments.bridge.bell import Bell
from instruments.bridge.jobs import Job, Safety, Worker
from instruments.bridge.keys import Doorkeeper, guard_socket, read_server_keys
from instruments.bridge.lease import Lease
from instruments.bridge.ledger import Ledger
from instruments.bridge.sessions import Kept, Session, Sessions
from instruments.bridge.settings import ServerSettings
from instruments.bridge.sockets import can_read, receive, send
from instruments.bridge.spoken import LeaseLost, capabilities_to_plain, error_to_plain
from instruments.bridge.wire import Call, Frames, Malformed, pack_reply, unpack_call
from instruments.errors import ConnectionLost, HardwareFault, InvalidRequest, NotSupported, Refused
from instruments.seam import Instrument

_WRITES = ("acquire", "reset", "restore", "truth")
_PATIENCE = int(zmq.RCVTIMEO)
_LOOK_S, _LOOK_MS = 0.2, 200
"""How often the stop file is looked for."""
_AT_ONCE = 256
"""Messages taken in before the clocks are looked at again."""


class Server:
    """An instrument served over ZeroMQ; `run` blocks until `stop()`, the stop file or an interrupt."""

    def __init__(self, instrument: Instrument, settings: ServerSettings) -> None:
        self.settings = settings
        self.boot = secrets.token_bytes(8)
        folder = settings.folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "stop").unlink() if (folder / "stop").exists() else None
        self.audit = Audit(None if folder is None else folder / "audit.jsonl")
        twin = instrument.describe().episodes
        self._ledger = None if folder is None or twin else Ledger(folder / "ledger")
        self._acting = Acting(instrument, settings, self.audit, self._ledger)
        self._instrument, self._operations = instrument, self._acting.operations
        self._described = capabilities_to_plain(self._acting.capabilities)
        self._lease, self._lease_session = Lease(settings.lease_s), b""
        self._sessions = Sessions()
        self._hung: Job | None = None
        self._ended = False
        self._next_look_s = 0.0
        self._waits_ms = -2
        self._open_sockets()
        self._worker = Worker(self._finish)
        self._safety = Safety(instrument.make_safe, lambda *done: self._bell.ring("safe", done))
        self._immediate: Mapping[str, Any] = {
            "hello": self._hello,
            "ping": self._ping,
            "describe": lambda call, session, identity: self._described,
            "lease": self._take_lease,
            "beat": self._beat,
            "release": self._release,
            "stop": self._stop_job,
            "part": self._part,
        }

    @property
    def address(self) -> str:
        """Where it can be reached; with the port that was found where the settings left it open."""
        return str(self._router.getsockopt_string(zmq.LAST_ENDPOINT))

    def run(self) -> None:
        """Serve until the end; then the instrument is safe and closed."""
        self.audit.note("serving", address=self.address, instrument=self._described["name"], process=os.getpid())
        try:
            while not self._ended:
                self._turn()
        except KeyboardInterrupt:
            self.audit.note("interrupted")
        finally:
            self._leave()

    def stop(self) -> None:
        """End `run`, from any thread or signal handler."""
        self._ended = True

    def heed_signals(self) -> None:
        """End `run` in good order when this process is asked to terminate; from the main thread."""
        signal.signal(signal.SIGTERM, lambda number, frame: self.stop())

    def _open_sockets(self) -> None:
        self._context = zmq.Context()
        keys = None if self.settings.keys is None else read_server_keys(self.settings.keys)
        self._door = None if keys is None else Doorkeeper(self._context, keys, self._shut_out)
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 0
        self._router.maxmsgsize = self.settings.frame_bytes
        self._router.heartbeat_ivl, self._router.heartbeat_timeout = 1000, 3000
        if keys is not None:
            guard_socket(self._router, keys)
        self._bell = Bell(self._context, self._router)
        self._router.bind(self.settings.address)  # last: the socket tells its last endpoint

    def _turn(self) -> None:
        patience_ms = self._patience_ms()
        if patience_ms != self._waits_ms:  # setting it costs as much as answering
            self._router.setsockopt(_PATIENCE, patience_ms)
            self._waits_ms = patience_ms
        self._take_in()
        self._heed_finished()
        self._look_at_clocks()

    def _heed_finished(self) -> None:
        for kind, done in self._bell.finished():
            (self._job_done if kind == "job" else self._made_safe)(*done)

    def _take_in(self) -> None:
        """What has come; waits for it where nothing has."""
        for _ in range(_AT_ONCE):
            try:
                identity, *frames = receive(self._router)
            except zmq.Again:
                return
            if self._bell.is_ring(frames):
                return
            self._answer(identity.bytes, frames)
            if not can_read(self._router):
                return

    def _answer(self, identity: bytes, frames: Any) -> None:
        try:
            call = unpack_call(frames)
        except Malformed as error:
            self.audit.note("refused: malformed", why=str(error)[:200])
            self._send(identity, self._said(0, "error", {"kind": "data_invalid", "message": f"refused: {error}"}))
            return
        user = "" if self._door is None else str(frames[-1].get("User-Id"))
        session = self._sessions.of(call.session, user, self._lease_session)
        try:
            if session is None:
                raise Refused("this session belongs to a client with another key")
            self._lease.hear(call.session, call.lease, time.monotonic())
            self._dispatch(call, session, identity)
        except Exception as error:
            if not isinstance(error, LeaseLost) or call.op != "beat":
                self.audit.note(f"refused: {call.op}"[:60], client=user, why=str(error)[:300])
            self._send(identity, self._said(call.seq, "error", error_to_plain(error)))

    def _dispatch(self, call: Call, session: Session, identity: bytes) -> None:
        if call.op in self._immediate:
            self._send(identity, self._replied(call.seq, self._immediate[call.op](call, session, identity)))
        elif call.op == "make_safe":
            self._stop_all()
            self.audit.note("make_safe", client=session.name)
            self._safety.ask(f"asked by {session.name}", (identity, call.seq))
        elif call.op in self._operations:
            self._queue(call, session, identity)
        else:
            known = sorted({*self._immediate, "make_safe", *self._operations})
            raise NotSupported(f"{call.op!r} is no operation here; there are {', '.join(known)}")

    def _queue(self, call: Call, session: Session, identity: bytes) -> None:
        """A call for the instrument: a repeated one is answered, not repeated."""
        if call.seq in session.jobs:
            job = session.jobs[call.seq]
            job.identity = identity
            self._send(identity, self._said(call.seq, "progress", self._progress(job)))
            return
        if call.seq in session.kept:
            self._send_kept(identity, call.seq, session.kept[call.seq])
            return
        if call.seq <= session.forgotten:
            raise ConnectionLost(f"call {call.seq} was answered long ago: look its command up by its id")
        if call.op in _WRITES:
            self._lease.require(call.session, call.lease, time.monotonic())
        if self._hung is not None:
            raise HardwareFault("a call of the instrument hangs since it was made safe: look at it, restart the server")
        job = Job(call, identity, self._operations[call.op])
        session.jobs[call.seq] = job
        if not self._worker.accepts():
            del session.jobs[call.seq]
            raise Refused("too many commands wait for the instrument")
        if self._worker.current is None:
            self._bell.attend()
        self._worker.submit(job)
        self._bell.listen()
        self._heed_finished()

    def _hello(self, call: Call, session: Session, identity: bytes) -> Any:
        name = call.body.get("name")
        if not (isinstance(name, str) and 0 < len(name) <= 100):
            raise InvalidRequest("a client has a name of 1 to 100 characters")
        session.name = f"{session.user}/{name}" if session.user else name
        self.audit.note("hello", client=session.name)
        return {"instrument": self._described["name"], "twin": self._acting.is_twin, "lease_s": self._lease.length_s}

    def _ping(self, call: Call, session: Session, identity: bytes) -> Any:
        job = self._worker.current
        running = None if job is None else {"op": job.call.op, "elapsed_s": job.elapsed_s}
        return {"running": running, "holder": self._lease.holder, "hangs": self._hung is not None}

    def _take_lease(self, call: Call, session: Session, identity: bytes) -> Any:
        token = self._lease.take(call.session, session.name, time.monotonic())
        self._lease_session = call.session
        self.audit.note("lease", client=session.name)
        return {"lease": token, "lease_s": self._lease.length_s}

    def _beat(self, call: Call, session: Session, identity: bytes) -> Any:
        self._lease.require(call.session, call.lease, time.monotonic())

    def _release(self, call: Call, session: Session, identity: bytes) -> Any:
        if self._lease.hear(call.session, call.lease, time.monotonic()):
            self._end_lease(f"{session.name} gave it back")

    def _stop_job(self, call: Call, session: Session, identity: bytes) -> Any:
        """Stop the acquisition with an id; any client may, because stopping is always on the safe side."""
        stopped = 0
        for each in self._sessions.all():
            for job in each.jobs.values():
                if job.call.op == "acquire" and job.call.body.get("id") == call.body.get("id"):
                    job.stop.set()
                    stopped += 1
        self.audit.note("stop", client=session.name, id=str(call.body.get("id"))[:100], stopped=stopped)
        return {"stopped": stopped}

    def _part(self, call: Call, session: Session, identity: bytes) -> Any:
        """A chunk of a large answer, as a raw frame after the header."""
        kept = session.kept.get(call.body.get("of"))  # type: ignore[arg-type]
        if kept is None:
            raise ConnectionLost("this answer is no longer kept: look its command up by its id")
        frame, start = call.body.get("frame"), call.body.get("from")
        if type(frame) is not int or type(start) is not int or not 0 <= frame < len(kept.frames) or start < 0:
            raise InvalidRequest("part needs of, frame and from")
        return _Raw(memoryview(kept.frames[frame])[start : start + self.settings.chunk_bytes])

    def _finish(self, job: Job, result: Any, error: BaseException | None) -> None:
        """Called by the worker: the answer is packed there, so that the loop is free meanwhile.

        What is more than an answer, an error or a call that hung, is the loop's own, which ends in good order.
        """
        done = job, self._answer_to(job, result, error), error
        with self._bell.in_its_place() as mine:
            mine = mine and error is None and job is not self._hung
            if mine:
                self._job_done(*done)
        if not mine:
            self._bell.ring("job", done)

    def _answer_to(self, job: Job, result: Any, error: BaseException | None) -> Frames:
        seq = job.call.seq
        try:
            return self._replied(seq, result) if error is None else self._said(seq, "error", error_to_plain(error))
        except Exception as failed:  # a driver's result may hold what cannot travel
            return self._said(seq, "error", error_to_plain(HardwareFault(f"the answer cannot be sent: {failed}")))

    def _job_done(self, job: Job, frames: Frames, error: BaseException | None) -> None:
        if job is self._hung:
            self._hung = None
            self.audit.note("a call that hung came back", op=job.call.op)
        session = self._owner(job)
        if session is None or session.jobs.pop(job.call.seq, None) is None:
            return
        self._reply(job, session, frames, error)

    def _reply(self, job: Job, session: Session, frames: Frames, error: BaseException | None) -> None:
        if error is not None:
            self.audit.note(f"refused: {job.call.op}", client=session.name, why=str(error)[:300])
        kept = Kept(frames)
        session.keep(job.call.seq, kept, self.settings.kept_bytes)
        self._send_kept(job.identity, job.call.seq, kept)

    def _owner(self, job: Job) -> Session | None:
        """Who waits for a job; None where it was answered already, or its client was forgotten."""
        session = self._sessions.known(job.call.session)
        return session if session is not None and session.jobs.get(job.call.seq) is job else None

    def _send_kept(self, identity: bytes, seq: int, kept: Kept) -> None:
        if kept.bytes <= 2 * self.settings.chunk_bytes:
            self._send(identity, kept.frames)
        else:
            sizes = [len(frame) for frame in kept.frames]
            self._send(identity, self._said(seq, "parts", [sizes, self.settings.chunk_bytes]))

    def _made_safe(self, asker: Any, reason: str, took_s: float, wrong: str) -> None:
        self.audit.note("made safe", reason=reason, took_s=round(took_s, 6), wrong=wrong)
        if asker is None:
            return
        identity, seq = asker
        fault = None if not wrong else error_to_plain(HardwareFault(f"it could not be made safe: {wrong}"))
        self._send(identity, self._replied(seq, None) if fault is None else self._said(seq, "error", fault))

    def _look_at_clocks(self) -> None:
        now = time.monotonic()
        if now >= self._lease.until_s:
            self._end_lease(f"nothing was heard of {self._lease.holder} for {self._lease.length_s:g} s")
        job = self._worker.current
        if job is not None and now >= job.overdue_s:
            self._overdue(job, now)
        folder = self.settings.folder
        if folder is not None and now >= self._next_look_s:
            self._next_look_s = now + _LOOK_S
            self._ended = self._ended or (folder / "stop").exists()

    def _overdue(self, job: Job, now: float) -> None:
        """A call took too long: make safe first; where it does not come back even then, answer without it."""
        if not job.safe_asked:
            self.audit.note("overdue", op=job.call.op, elapsed_s=round(job.elapsed_s, 3))
            self._stop_all()
            self._safety.ask("a call took too long")
            job.overdue_s = now + self.settings.hang_s
            return
        job.overdue_s, job.given_up, self._hung = float("inf"), True, job
        session = self._owner(job)
        if session is not None:
            session.jobs.pop(job.call.seq)
            fault = HardwareFault("the instrument's call hangs; it was made safe, its command's fate is not known")
            self._reply(job, session, self._answer_to(job, None, fault), fault)

    def _end_lease(self, why: str) -> None:
        self.audit.note("lease over", why=why)
        self._lease.end(why)
        self._lease_session = b""
        self._stop_all()
        self._safety.ask(f"lease over: {why}")

    def _stop_all(self) -> None:
        """End what runs, and what waits to be acquired."""
        for session in self._sessions.all():
            for job in session.jobs.values():
                if job.call.op == "acquire":
                    job.safe_asked = True
                    job.stop.set()

    def _shut_out(self, why: str) -> None:
        self.audit.note("refused: connection", why=why)

    def _progress(self, job: Job) -> dict[str, Any]:
        return {"waits": job.started_s is None, "elapsed_s": job.elapsed_s}

    def _patience_ms(self) -> int:
        job, now = self._worker.current, time.monotonic()
        due = min(self._lease.until_s, float("inf") if job is None else job.overdue_s) - now
        return _LOOK_MS if due > _LOOK_S else max(0, int(due * 1000) + 1)

    def _replied(self, seq: int, result: Any) -> Frames:
        if isinstance(result, _Raw):
            return [*self._said(seq, "result", None), result.frame]
        return self._said(seq, "result", result)

    def _said(self, seq: int, kind: str, value: Any) -> Frames:
        return pack_reply(seq, self.boot, kind, value)

    def _send(self, identity: bytes, frames: Frames) -> None:
        """Send, without ever waiting: who does not read will ask again."""
        try:
            send(self._router, [identity, *frames])
        except zmq.ZMQError as error:
            self.audit.note("an answer could not be sent", why=str(error))

    def _leave(self) -> None:
        self._stop_all()
        self._safety.ask("the server ends")
        self._safety.close(self.settings.hang_s)
        self._worker.close(self.settings.hang_s)
        self._instrument.close()
        if self._door is not None:
            self._door.close()
        if self._ledger is not None:
            self._ledger.close()
        self.audit.note("ended")
        self.audit.close()
        self._context.destroy(linger=200)


class _Raw:
    """A piece of a frame that goes as it is."""

    def __init__(self, frame: memoryview) -> None:
        self.frame = frame
