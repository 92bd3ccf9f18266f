//! One batch is one transaction, of any size; errors name the object.

use super::*;

fn commit(nfnl: &mut Nfnl, write: impl FnOnce(&mut Batch)) -> Result<(), String> {
    let mut batch = Batch::new();
    write(&mut batch);
    nfnl.commit(batch).map_err(|error| chain(&error))
}

fn element(number: u32) -> Element {
    let [_, a, b, c] = number.to_be_bytes();
    Element::new([ip(&format!("10.{a}.{b}.{c}")), proto(TCP), port(80)]).to([ip("172.17.0.2"), port(8080)])
}

#[test]
fn an_error_in_the_middle_leaves_nothing_and_names_the_object() {
    alone(|nfnl| {
        let refused = commit(nfnl, |batch| {
            batch.add_table(&table()).add_chain(&table(), &Chain::regular("one"));
            batch.add_rule(&table(), &Rule::new("one").verdict(Verdict::Accept));
            batch.add_rule(&table(), &Rule::new("one").verdict(Verdict::Jump("nowhere".into())));
            batch.add_chain(&table(), &Chain::regular("two"));
        });
        let text = "cannot add rule 2 of chain inet t one: No such file or directory (os error 2)";
        assert!(refused.as_ref().is_err_and(|error| error.starts_with(text)), "{refused:?}");
        assert_eq!(nfnl.tables().expect("list"), []);
        assert_eq!(nfnl.chains(&table()).expect("list"), []);
        assert_eq!(nfnl.rules(&table()).expect("list"), []);
        assert_eq!(nfnl.sets(&table()).expect("list"), []);
        assert_eq!(nft_list(), "");
    });
}

#[test]
fn an_error_names_the_element() {
    alone(|nfnl| {
        let map = publish_addr();
        let all: Vec<_> = (0..5000).map(element).collect();
        commit(nfnl, |batch| {
            batch.add_table(&table()).add_set(&table(), &map).add_elements(&table(), &map, &all[3210..3211]);
        })
        .expect("commit");
        let other =
            "cannot create element { 10.0.12.138 . tcp . 80 : 172.17.0.2 . 8080 } of map inet t publish_addr";
        let refused = commit(nfnl, |batch| {
            batch.create_elements(&table(), &map, &all);
        });
        assert!(refused.as_ref().is_err_and(|error| error.starts_with(other)), "{refused:?}");
        assert_eq!(nfnl.elements(&table(), &map).expect("list").len(), 1);

        let refused = commit(nfnl, |batch| {
            batch.delete_elements(&table(), &map, &all[..1]);
        });
        let missing = "cannot delete element { 10.0.0.0 . tcp . 80 : 172.17.0.2 . 8080 } of map inet t publish_addr: No such file";
        assert!(refused.as_ref().is_err_and(|error| error.starts_with(missing)), "{refused:?}");
    });
}

#[test]
fn what_cannot_be_written_is_not_sent() {
    alone(|nfnl| {
        let wrong = commit(nfnl, |batch| {
            batch.add_table(&table()).add_set(&table(), &publish());
            batch.add_elements(&table(), &publish(), &[Element::new([port(80)])]);
        });
        let text = "cannot add element { 80 } of map inet t publish: its key is not of the set's type";
        assert_eq!(wrong, Err(text.to_owned()));
        let long = commit(nfnl, |batch| {
            batch.add_table(&table()).add_chain(&table(), &Chain::regular("c"));
            batch.add_rule(&table(), &Rule::new("c").comment("x".repeat(COMMENT_MAX + 1)));
        });
        assert!(long.is_err_and(|error| error.ends_with("it is too long")));
        let huge = (0..4000).fold(Rule::new("c"), |rule, _| rule.counter());
        let huge = commit(nfnl, |batch| {
            batch.add_table(&table()).add_rule(&table(), &huge);
        });
        assert_eq!(huge, Err("cannot add rule 1 of chain inet t c: it is too long".to_owned()));
        assert_eq!(nft_list(), "");
        commit(nfnl, |_| ()).expect("nothing to do");
    });
}

#[test]
fn a_comment_of_any_length_that_is_accepted_comes_back() {
    alone(|nfnl| {
        let rules = [0, 1, 127, COMMENT_MAX].map(|len| Rule::new("c").comment("x".repeat(len)));
        commit(nfnl, |batch| {
            batch.add_table(&table()).add_chain(&table(), &Chain::regular("c"));
            for rule in &rules {
                batch.add_rule(&table(), rule);
            }
        })
        .expect("commit");
        let listed: Vec<_> =
            nfnl.rules(&table()).expect("list").into_iter().map(|entry| entry.rule).collect();
        assert_eq!(listed, rules);
    });
}

#[test]
fn a_hundred_thousand_elements_are_one_transaction() {
    alone(|nfnl| {
        let map = publish_addr();
        let all: Vec<_> = (0..100_000).map(element).collect();
        commit(nfnl, |batch| {
            batch.add_table(&table()).add_set(&table(), &map).add_elements(&table(), &map, &all);
        })
        .expect("commit");
        let before = nfnl.generation().expect("a generation").id;
        let listed = nfnl.elements(&table(), &map).expect("list");
        let seen: Vec<_> = listed.iter().map(|entry| &entry.element).collect();
        assert_eq!(seen.len(), all.len());
        assert!(seen.into_iter().eq(&all));
        commit(nfnl, |batch| {
            batch.delete_elements(&table(), &map, &all[1..]);
        })
        .expect("commit");
        assert_eq!(nfnl.generation().expect("a generation").id, before + 1);
        assert_eq!(nfnl.elements(&table(), &map).expect("list").len(), 1);
        commit(nfnl, |batch| {
            batch.flush_set(&table(), "publish_addr");
        })
        .expect("commit");
        assert_eq!(nfnl.elements(&table(), &map).expect("list"), []);
    });
}

#[test]
fn ten_thousand_ports_are_one_element() {
    alone(|nfnl| {
        let ports = Element::range(port(20_000), port(29_999)).to([ip("172.17.0.2")]);
        let behind = Element::range(port(30_000), port(30_000)).to([ip("172.17.0.3")]);
        commit(nfnl, |batch| {
            batch.add_table(&table()).add_set(&table(), &range());
            batch.add_elements(&table(), &range(), &[ports.clone(), behind.clone()]);
        })
        .expect("commit");
        let overlap = Element::range(port(25_000), port(25_001)).to([ip("172.17.0.4")]);
        let refused = commit(nfnl, |batch| {
            batch.create_elements(&table(), &range(), &[overlap]);
        });
        let text = "cannot create element { 25000-25001 : 172.17.0.4 } of map inet t range";
        assert!(refused.as_ref().is_err_and(|error| error.starts_with(text)), "{refused:?}");
        commit(nfnl, |batch| {
            batch.delete_elements(&table(), &range(), &[ports]);
        })
        .expect("commit");
        let listed = nfnl.elements(&table(), &range()).expect("list");
        assert_eq!(listed.into_iter().map(|entry| entry.element).collect::<Vec<_>>(), [behind]);
    });
}

#[test]
fn rules_are_put_in_their_place_by_handles() {
    alone(|nfnl| {
        let rule = |comment: &str| Rule::new("c").comment(comment);
        commit(nfnl, |batch| {
            batch.add_table(&table()).add_chain(&table(), &Chain::regular("c"));
            batch.add_rule(&table(), &rule("b")).add_rule(&table(), &rule("d"));
            batch.insert_rule(&table(), &rule("a"));
        })
        .expect("commit");
        let order = |nfnl: &mut Nfnl| -> Vec<(u64, String)> {
            let rules = nfnl.rules(&table()).expect("list").into_iter();
            rules.map(|entry| (entry.handle, entry.rule.comment.unwrap_or_default())).collect()
        };
        let before = order(nfnl);
        commit(nfnl, |batch| {
            batch.add_rule_after(&table(), &rule("c"), before[1].0);
            batch.replace_rule(&table(), &rule("e"), before[2].0);
            batch.delete_rule(&table(), "c", before[0].0);
        })
        .expect("commit");
        let after: Vec<_> = order(nfnl).into_iter().map(|(_, comment)| comment).collect();
        assert_eq!(after, ["b", "c", "e"]);
        commit(nfnl, |batch| {
            batch.flush_chain(&table(), "c").delete_chain(&table(), "c");
        })
        .expect("commit");
        assert_eq!(nfnl.chains(&table()).expect("list"), []);
    });
}

#[test]
fn a_table_that_may_be_missing_is_destroyed_and_what_must_be_there_is_deleted() {
    alone(|nfnl| {
        commit(nfnl, |batch| {
            batch.destroy_table(&table());
        })
        .expect("nothing to do");
        let missing = commit(nfnl, |batch| {
            batch.delete_table(&table());
        });
        assert!(missing.is_err_and(|error| error.starts_with("cannot delete table inet t: No such file")));
        commit(nfnl, |batch| {
            batch.create_table(&table());
        })
        .expect("commit");
        let twice = commit(nfnl, |batch| {
            batch.create_table(&table());
        });
        assert!(twice.is_err_and(|error| error.starts_with("cannot create table inet t: File exists")));
        commit(nfnl, |batch| {
            batch.destroy_table(&table()).add_table(&table()).add_set(&table(), &range());
        })
        .expect("replaced");
        commit(nfnl, |batch| {
            batch.delete_set(&table(), "range");
        })
        .expect("commit");
        assert_eq!(nfnl.sets(&table()).expect("list"), []);
        let missing = nfnl.elements(&table(), &range()).expect_err("no such set");
        assert_eq!(missing.to_string(), "cannot list the elements of map inet t range");
    });
}

#[test]
fn a_batch_for_a_generation_that_is_gone_is_refused() {
    alone(|nfnl| {
        let read = nfnl.generation().expect("a generation").id;
        commit(nfnl, |batch| {
            batch.only_at(read).add_table(&table());
        })
        .expect("commit");
        let mut batch = Batch::new();
        batch.only_at(read).delete_table(&table());
        let changed = nfnl.commit(batch).expect_err("an old generation");
        assert!(matches!(changed, CommitError::Changed { read: old } if old == read), "{changed:?}");
    });
}

#[test]
fn many_errors_are_one() {
    alone(|nfnl| {
        let refused = commit(nfnl, |batch| {
            batch.add_table(&table());
            for number in 0..20_000 {
                batch.delete_chain(&table(), &format!("c{number}"));
            }
        });
        assert!(
            refused.as_ref().is_err_and(|error| error.starts_with("cannot delete chain inet t c0: ")),
            "{refused:?}"
        );
        commit(nfnl, |batch| {
            batch.add_table(&table());
        })
        .expect("the socket still works");
    });
}

#[test]
fn a_monitor_tells_who_flushed_our_table() {
    alone(|nfnl| {
        let mut monitor = Monitor::open().expect("a monitor");
        assert!(monitor.try_receive().expect("receive").is_none());
        commit(nfnl, |batch| {
            batch.add_table(&table()).add_chain(&table(), &Chain::regular("c"));
            batch.add_rule(&table(), &Rule::new("c").verdict(Verdict::Drop));
            batch.add_set(&table(), &range());
        })
        .expect("commit");
        commit(nfnl, |batch| {
            batch.delete_table(&table());
        })
        .expect("commit");
        let (mut events, mut generations) = (Vec::new(), Vec::new());
        while generations.len() < 2 {
            for event in monitor.receive().expect("events") {
                if let Event::Generation(generation) = event {
                    generations.push(generation);
                } else {
                    events.push(event);
                }
            }
        }
        assert_eq!(generations[1].id, nfnl.generation().expect("a generation").id);
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        assert_eq!(generations[1].thread, Some(thread));
        assert!(events.iter().all(|event| event.table() == Some(&table())), "{events:?}");
        assert_eq!(events.iter().filter(|event| !event.is_deletion()).count(), 4);
        assert!(events.contains(&Event::Table { change: Change::Deleted, table: table() }));
    });
}

#[test]
fn a_monitor_that_was_not_read_says_that_it_missed_something() {
    alone(|nfnl| {
        let mut monitor = Monitor::open().expect("a monitor");
        sockopt::set_socket_recv_buffer_size(monitor.as_fd(), 4096).expect("a small buffer");
        for _ in 0..100 {
            commit(nfnl, |batch| {
                batch.add_table(&table()).delete_table(&table());
            })
            .expect("commit");
        }
        let missed = loop {
            match monitor.try_receive() {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        assert!(matches!(missed, Err(MonitorError::Missed)), "{missed:?}");
    });
}
