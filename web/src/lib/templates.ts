// What people begin with. Each runs on a node's own /usr, without image and without network, so it
// runs on every node; the form fills itself with it and everything can be changed.

export interface Template {
  id: string;
  name: string;
  about: string;
  command: string; // a shell script
  tasks?: number;
  hours?: string;
  name_of_job: string;
}

export const templates: Template[] = [
  {
    id: 'shell',
    name: 'Shell command',
    about: 'Anything that runs in a shell',
    command: 'echo "hello from $(uname -n)"\nnproc; free -m | head -2',
    name_of_job: 'shell',
  },
  {
    id: 'sweep',
    name: 'Parameter sweep',
    about: 'The same script for each of many values',
    command: 'rate=$(echo "0.1 0.01 0.001 0.0001" | cut -d" " -f$((FALLOW_TASK + 1)))\necho "task $FALLOW_TASK: learning rate $rate"\necho "$rate" > "$FALLOW_OUT/rate.txt"',
    tasks: 4,
    name_of_job: 'sweep',
  },
  {
    id: 'python',
    name: 'Python script',
    about: "With the node's own Python 3",
    command: "python3 - <<'END'\nimport os, time\nfor step in range(1, 21):\n    print(f\"step {step} of 20\", flush=True)\n    time.sleep(1)\nwith open(os.environ['FALLOW_OUT'] + '/result.txt', 'w') as out:\n    out.write('done\\n')\nEND",
    name_of_job: 'python',
  },
  {
    id: 'devices',
    name: 'Look around',
    about: 'What the sandbox sees of the machine',
    command: 'id; env | sort | grep FALLOW_\nls -l /dev | head -30\nnvidia-smi 2>/dev/null || echo "no nvidia-smi here"',
    hours: '0.1',
    name_of_job: 'look-around',
  },
];
