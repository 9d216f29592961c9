// Which events change what this page shows: all of them the list's, those of its job a job's, and whatever moves
// messages the counts at the top. What no event tells is seen when the page looks again after a while.

const { here, job } = document.getElementById("content").dataset;

export function isOfConcern(kind, { job_id: whose, messages }) {
  const isOfAJob = kind === "state" || (kind === "tick" && messages === 0);
  return here === "" || whose === job || !isOfAJob;
}
