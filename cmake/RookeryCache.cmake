# Where launch/setup puts third-party builds; see launch/environment.sh.
if(DEFINED ENV{ROOKERY_CACHE})
  set(ROOKERY_CACHE "$ENV{ROOKERY_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(ROOKERY_CACHE "$ENV{XDG_CACHE_HOME}/rookery")
else()
  set(ROOKERY_CACHE "$ENV{HOME}/.cache/rookery")
endif()
