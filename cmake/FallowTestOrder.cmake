# fallow_order_test(<test>): where it stands in the order in which ctest begins the tests.
#
# The long ones come first: alone at the end, one would keep all but one processor waiting. Those that
# compute (core, server, sim, map, web) and those that mostly wait take turns, so that neither the
# processors nor the places of `ctest -j` stand idle. Who proves devices does so at the lowest priority:
# it comes when most that compute is done, and would only hold a place before. What is not named here
# begins behind them.
set(FALLOW_TESTS_FIRST
  sim_test.Chaos sdk.rent_test core_test sdk.flaky_test sdk.map_test system.egress_test server_test
  system.blame_test sim_test runtime_test web system.reach_test system.proof_test system.train_test
  system.checkpoint_test system.hostile_task_test agent_test system.escape_test sdk.tutorial_test
  sdk.packaging_test system.secrets_test system.owner_test system.kill_agent_test log_test
  system.templates_test system.bad_input_test sdk.checkpoint_test system.webhooks_test
  system.packaging_test system.statement_test net_test)

function(fallow_order_test test)
  list(FIND FALLOW_TESTS_FIRST ${test} place)
  if(place GREATER_EQUAL 0)
    # Beyond what ctest remembers of earlier runs, in seconds, of the tests that are not named.
    math(EXPR cost "10000 - ${place}")
    set_tests_properties(${test} PROPERTIES COST ${cost})
  endif()
endfunction()
