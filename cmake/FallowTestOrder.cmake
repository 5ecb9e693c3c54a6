# fallow_order_test(<test>): where it stands in the order in which ctest begins the tests.
#
# The long ones come first: alone at the end, one would keep all but one processor waiting. Those that
# compute (core, server, sim, web, the prover) and those that mostly wait take turns, so that neither
# the processors nor the places of `ctest -j` stand idle. What is not named here begins behind them.
set(FALLOW_TESTS_FIRST
  sim_test.Chaos system.proof_test sdk.map_test core_test sdk.rent_test sim_test sdk.flaky_test server_test
  system.blame_test web system.egress_test runtime_test system.reach_test system.train_test
  system.kill_agent_test agent_test system.hostile_task_test system.checkpoint_test net_test
  system.escape_test tunnel_test system.owner_test sdk.packaging_test log_test system.webhooks_test
  system.bad_input_test system.secrets_test system.templates_test system.statement_test
  sdk.checkpoint_test sdk.tutorial_test system.packaging_test)

function(fallow_order_test test)
  list(FIND FALLOW_TESTS_FIRST ${test} place)
  if(place GREATER_EQUAL 0)
    # Beyond what ctest remembers of earlier runs, in seconds, of the tests that are not named.
    math(EXPR cost "10000 - ${place}")
    set_tests_properties(${test} PROPERTIES COST ${cost})
  endif()
endfunction()
