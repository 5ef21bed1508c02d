# Sourced by the launch scripts: where third-party builds and models are cached, by version, outside the tree.
export ROOKERY_CACHE=${ROOKERY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rookery}
export ROOKERY_TORCH_SITE=$ROOKERY_CACHE/torch-2.11.0
export ROOKERY_FAISS=$ROOKERY_CACHE/faiss-1.7.3-avx2
if [[ -z ${ROOKERY_CAF:-} ]]; then
  export ROOKERY_CAF=$ROOKERY_CACHE/caf-0.18.7
  ROOKERY_CAF_IS_OURS=1
fi
