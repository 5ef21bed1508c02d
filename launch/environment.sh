# Sourced by the launch scripts: where third-party builds and models are cached, by version, outside the tree.
export ROOKERY_CACHE=${ROOKERY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rookery}
export ROOKERY_TORCH_SITE=$ROOKERY_CACHE/torch-2.11.0
export ROOKERY_FAISS=$ROOKERY_CACHE/faiss-1.7.3-avx2
# ROOKERY_CAF may name an installed CAF, or a source tarball to build instead of Debian's.
if [[ -z ${ROOKERY_CAF:-} || $ROOKERY_CAF == "$ROOKERY_CACHE/caf-0.18.7" ]]; then
  ROOKERY_CAF_ORIGIN=debian
  export ROOKERY_CAF=$ROOKERY_CACHE/caf-0.18.7
elif [[ -f $ROOKERY_CAF ]]; then
  ROOKERY_CAF_ORIGIN=$ROOKERY_CAF
  export ROOKERY_CAF=$ROOKERY_CACHE/caf-of-$(sha256sum "$ROOKERY_CAF" | cut -c1-12)
else
  ROOKERY_CAF_ORIGIN=prefix
fi
