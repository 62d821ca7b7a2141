#!/bin/bash
# A Ray cluster inside a Slurm job, then one command on it:
#   sbatch deploy/slurm.sh dawn ingest s3://BUCKET/footage --dataset s3://BUCKET/data
#SBATCH --job-name=dawn
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=48G
#SBATCH --time=24:00:00
set -euo pipefail

export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN
export OMP_NUM_THREADS=1

hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${hosts%%$'\n'*}
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))

# The first node is head and worker: a job has its nodes for itself.
srun --nodes=1 --ntasks=1 -w "$head" --overlap \
  ray start --head --node-ip-address="$address" --port="$port" \
  --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
until ray status --address "$address:$port" > /dev/null 2>&1; do sleep 2; done

if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) \
    --exclude="$head" --overlap \
    ray start --address="$address:$port" --num-cpus="$SLURM_CPUS_PER_TASK" \
    --disable-usage-stats --block &
fi

RAY_ADDRESS="$address:$port" "$@"
