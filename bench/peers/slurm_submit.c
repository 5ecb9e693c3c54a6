// Submits jobs of one GPU each to slurmctld over kept processes, and says when all of them have a
// node. Usage: slurm_submit CLIENTS JOBS. Prints one JSON object; times in seconds.
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static void submit(int jobs) {
  static char *environment[] = {"PATH=/usr/bin:/bin"};
  for (int i = 0; i < jobs; ++i) {
    job_desc_msg_t job;
    slurm_init_job_desc_msg(&job);
    job.name = "bench";
    job.script = "#!/bin/sh\ntrue\n";
    job.user_id = getuid();
    job.group_id = getgid();
    job.work_dir = "/tmp";
    job.std_in = "/dev/null";
    job.std_out = "/dev/null";
    job.std_err = "/dev/null";
    job.environment = environment;
    job.env_size = 1;
    job.time_limit = 60;  // minutes
    job.min_nodes = 1;
    job.max_nodes = 1;
    job.num_tasks = 1;
    job.cpus_per_task = 1;
    job.tres_per_node = "gres:gpu:1";
    submit_response_msg_t *answer = NULL;
    if (slurm_submit_batch_job(&job, &answer) != SLURM_SUCCESS) {
      slurm_perror("slurm_submit: a job was not taken");
      _exit(1);
    }
    slurm_free_submit_response_response_msg(answer);
  }
}

// How many jobs have a node.
static int placed(void) {
  job_info_msg_t *jobs = NULL;
  if (slurm_load_jobs(0, &jobs, SHOW_ALL) != SLURM_SUCCESS) return 0;
  int count = 0;
  for (unsigned i = 0; i < jobs->record_count; ++i) {
    if (jobs->job_array[i].nodes && *jobs->job_array[i].nodes) ++count;
  }
  slurm_free_job_info_msg(jobs);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const int clients = atoi(argv[1]);
  const int jobs = atoi(argv[2]);
  slurm_init(NULL);
  const double began = now();
  for (int c = 0; c < clients; ++c) {
    if (fork() == 0) {
      submit(jobs / clients + (c < jobs % clients ? 1 : 0));
      _exit(0);
    }
  }
  int failed = 0;
  for (int status; wait(&status) > 0;) failed |= status != 0;
  const double submitted = now() - began;
  int there = 0;
  for (const double until = now() + 400; !failed && (there = placed()) < jobs && now() < until;) {
    usleep(100 * 1000);
  }
  printf("{\"submitted_s\": %.3f, \"placed_s\": %.3f, \"placed\": %d}\n", submitted, now() - began, there);
  return failed || there < jobs;
}
