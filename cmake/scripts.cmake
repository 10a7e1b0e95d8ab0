# Tests that are scripts: the house rules, wire conversations and integration tests against the built binary.
# Every case is a ctest test of its own, so that `ctest -R name` runs just it and totals count cases.
# The system's Python first: Debian's client packages are for that one.
find_program(WEIR_PYTHON python3 HINTS /usr/bin NO_DEFAULT_PATH)
if(NOT WEIR_PYTHON)
  find_program(WEIR_PYTHON python3 REQUIRED)
endif()

add_test(NAME tidy COMMAND ${WEIR_PYTHON} ${CMAKE_SOURCE_DIR}/tools/tidy.py)
set_tests_properties(tidy PROPERTIES LABELS tidy)

# weir_python_tests(LABEL file...): one test per `def test_x` of each file. The file gets `-k '*.test_x'` and the path of
# the binary in WEIR_BIN; exit code 77 is a skip.
function(weir_python_tests label)
  foreach(file ${ARGN})
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(stem ${file} NAME_WE)
    file(STRINGS ${file} lines REGEX "^  +def test_")
    foreach(line ${lines})
      string(REGEX REPLACE "^ +def (test_[A-Za-z0-9_]+).*" "\\1" case "${line}")
      set(name ${label}.${stem}.${case})
      add_test(NAME ${name} COMMAND ${WEIR_PYTHON} ${file} -k "*.${case}")
      set_tests_properties(${name} PROPERTIES LABELS ${label} SKIP_RETURN_CODE 77 TIMEOUT 600)
      if(TARGET weir)
        set_tests_properties(${name} PROPERTIES ENVIRONMENT "WEIR_BIN=$<TARGET_FILE:weir>")
      endif()
    endforeach()
  endforeach()
endfunction()

file(GLOB tidy_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/*_test.py)
weir_python_tests(tidy ${tidy_tests})
file(GLOB wire_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/wire/*_test.py)
weir_python_tests(wire ${wire_tests})

if(TARGET weir AND NOT WEIR_FUZZ)
  file(GLOB_RECURSE scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/wire/*.wire)
  foreach(script ${scripts})
    file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/tests/wire ${script})
    string(REPLACE ".wire" "" name ${name})
    add_test(NAME wire.${name}
             COMMAND ${WEIR_PYTHON} ${CMAKE_SOURCE_DIR}/tests/wire/run.py --weir $<TARGET_FILE:weir> ${script})
    set_tests_properties(wire.${name} PROPERTIES LABELS wire TIMEOUT 300)
  endforeach()
  file(GLOB integration CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/integration/*_test.py)
  weir_python_tests(integration ${integration})
endif()
