# fallow_static_libraries(<pattern>): imported targets whose names begin so are linked from their archives, where
# the system has them beside the shared objects.
#
# A program that asks the market one question lives for a few hundredths of a second, and a third of its start was
# spent on the names of protobuf and of absl's two dozen shared objects.
function(fallow_static_libraries pattern)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  list(FILTER targets INCLUDE REGEX "^${pattern}")
  foreach(target ${targets})
    set(places IMPORTED_LOCATION)
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    if(configurations)
      list(TRANSFORM configurations PREPEND IMPORTED_LOCATION_ OUTPUT_VARIABLE of_configurations)
      list(APPEND places ${of_configurations})
    endif()
    foreach(place ${places})
      get_target_property(shared ${target} ${place})
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${shared}")
      if(shared AND EXISTS "${archive}")
        set_target_properties(${target} PROPERTIES ${place} "${archive}")
      endif()
    endforeach()
  endforeach()
endfunction()
