//! The task that carries one exchange with a client, and how to end it from outside.
//!
//! A response body is polled only when the client can take more; a client that
//! does not read would keep its stream open for ever. So the task as a whole can
//! be dropped: over HTTP/1.1 that is the connection, over HTTP/2 one stream.
//!
//! Promises: after [`Task::cut`] nothing more of the exchange leaves. Over
//! HTTP/1.1 the connection is reset without flushing; over HTTP/2 the stream is
//! reset (`CANCEL`) and the other streams of the connection go on.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use tokio_util::task::TaskTracker;

use super::socket::Grip;

tokio::task_local! {
    static CURRENT: Arc<Task>;
}

/// A hold on one task.
#[derive(Debug, Default)]
pub(in crate::gateway) struct Task {
    is_cut: AtomicBool,
    waker: AtomicWaker,
    /// The client's connection, where the task owns it alone (HTTP/1.1).
    connection: Option<Grip>,
}

impl Task {
    /// A task that owns the connection behind `grip`.
    pub(super) fn owning(grip: Grip) -> Arc<Self> {
        Arc::new(Self { connection: Some(grip), ..Self::default() })
    }

    /// The task that is being polled. Outside of one, a task that nothing hangs on.
    pub(in crate::gateway) fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }

    /// Ends the task at its next poll, which is asked for at once.
    pub(in crate::gateway) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        if let Some(connection) = &self.connection {
            connection.reset();
        }
        self.waker.wake();
    }

    /// Runs `work` as this task.
    pub(super) async fn run<F: Future + Send>(self: Arc<Self>, work: F) {
        CURRENT.scope(self.clone(), Cuttable { task: self, work: Some(Box::pin(work)) }).await;
    }
}

/// Drops the work whole once the task is cut.
struct Cuttable<F> {
    task: Arc<Task>,
    work: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Cuttable<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.waker.register(cx.waker());
        if self.task.is_cut.load(Ordering::Acquire) {
            self.work = None;
        }
        match &mut self.work {
            None => Poll::Ready(()),
            Some(work) => work.as_mut().poll(cx).map(drop),
        }
    }
}

/// Spawns the tasks of one door, each with a hold of its own.
#[derive(Clone, Debug)]
pub(super) struct Tasks(pub(super) TaskTracker);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// hyper hands over each HTTP/2 stream. What a stream spawns in turn is cut with it.
    fn execute(&self, work: F) {
        self.0.spawn(Task::current().run(work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cutting_drops_work_that_waits_for_ever() {
        struct Told(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.take().map(|tell| tell.send(()));
            }
        }
        let (tell, told) = tokio::sync::oneshot::channel();
        let told_on_drop = Told(Some(tell));
        let task = Arc::new(Task::default());
        let tasks = TaskTracker::new();
        tasks.spawn(task.clone().run(async move {
            let _held = told_on_drop;
            std::future::pending::<()>().await;
        }));
        task.cut();
        told.await.unwrap();
    }

    #[tokio::test]
    async fn each_piece_of_work_finds_its_own_task() {
        let task = Arc::new(Task::default());
        let (tell, told) = tokio::sync::oneshot::channel();
        task.clone().run(async move { tell.send(Task::current()).unwrap() }).await;
        assert!(Arc::ptr_eq(&task, &told.await.unwrap()));
    }
}
