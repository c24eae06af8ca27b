# Hundreds of certificates: all get their answers, a responder never has more than two questions at a time and all together four,
# each is asked once; no matter whether hosts share an SSL_CTX (from the 65th certificate on). The same after a restart.
use strict;
use warnings;
use Test::More;
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time);
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(pki_dir slurp spew openssl make_key);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes);

BEGIN { ours_only('the stock module asks in the handshake') }

my $COUNT = $ENV{STAPLE_COUNT} || 300;    # 10000 takes some minutes
my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $pki = pki_dir();

# One key serves all, so that making them is quick.
make_key("$dir/key", 'ec');
openssl('req', '-new', '-key', "$dir/key", '-subj', '/CN=many', '-out', "$dir/csr");
for my $n (0 .. $COUNT - 1) {
    openssl('x509', '-req', '-in', "$dir/csr", '-CA', "$pki/ca.crt", '-CAkey', "$pki/ca.key", '-set_serial', 100_000 + $n, '-days', 30, '-out', "$dir/$n.crt");
    spew("$dir/$n.crt", slurp("$dir/$n.crt"), slurp("$pki/ca.crt"));
}

# Three responders in one process, which answers when no more questions come: so many are asked at once. Notes the most, by
# responder and in all, and what was asked.
my $model = ModSSL::Responder->new;
my @listeners = map { IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1', LocalPort => 0) or die $! } 1 .. 3;
my %number = map { $listeners[$_]->sockport => $_ } 0 .. 2;
my $notes = "$dir/notes";
spew($notes, '');

sub reply {
    my ($client, $text) = @_;
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my $answer = $model->answer($body, '/good');
    syswrite $client, "HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: " . length($answer) . "\r\n\r\n$answer";
    return ModSSL::Responder::parse_request($body)->{serial};
}

sub count_questions {
    my $wait = IO::Select->new(@listeners);
    my (%open, %text, @most);
    my $end = time + 200 + $COUNT / 5;
    while (time < $end && getppid == $_[0]) {
        my @ready = $wait->can_read(0.03);
        for my $ready (@ready) {
            if (grep { $_ == $ready } @listeners) {
                my $client = $ready->accept or next;
                $open{$client} = [$client, $number{ $ready->sockport }];
                $wait->add($client);
            }
            elsif (!sysread $ready, $text{$ready}, 4096, length($text{$ready} // '')) {
                $wait->remove($ready);
                delete $open{$ready};
                delete $text{$ready};
            }
        }
        next if @ready;
        my @now = (0) x 4;
        $now[$_]++ for map { (3, $_->[1]) } values %open;
        $most[$_] = $now[$_] > ($most[$_] // 0) ? $now[$_] : $most[$_] // 0 for 0 .. 3;
        for (values %open) {
            my ($client, $responder) = @$_;
            next if ($text{$client} // '') !~ /\r\n\r\n./s;
            my $serial = reply($client, $text{$client});
            open my $fh, '>>', $notes or die;
            syswrite $fh, "$serial @most\n";
            close $fh;
            $wait->remove($client);
            delete $text{$client};
            delete $open{$client};
            close $client;
        }
    }
    return;
}
my $us = $$;
my $counter = fork // die;
if (!$counter) {
    eval { count_questions($us); 1 } or print STDERR $@;
    POSIX::_exit(0);
}
close $_ for @listeners;
END { local $?; kill 'TERM', $counter if $counter; waitpid $counter, 0 if $counter }

my @ports = sort { $number{$a} <=> $number{$b} } keys %number;
my $h = ModSSL::Httpd->new(config => "SSLStaplingCache shmcb:\@root\@/run/stapling(2000000)\nSSLStaplingStore \@root\@/run/answers\nSSLUseStapling on\n"
    . join '', map { "<VirtualHost *:\@port:https\@>\nServerName h$_.test\nSSLEngine on\nSSLStaplingForceURL http://127.0.0.1:$ports[$_ % 3]/\n"
                     . "SSLCertificateFile $dir/$_.crt\nSSLCertificateKeyFile $dir/key\n</VirtualHost>\n" } 0 .. $COUNT - 1);
$h->start or BAIL_OUT($h->why);
ok(wait_for(120 + $COUNT / 10, sub { my @l = split /\n/, slurp($notes); @l >= $COUNT }), "all $COUNT are asked for");

my (%times, @most);
for (split /\n/, slurp($notes)) {
    my ($serial, @so_far) = split ' ';
    $times{$serial}++;
    @most = @so_far;
}
is(scalar(keys %times), $COUNT, 'each certificate');
is_deeply([grep { $times{$_} > 1 } keys %times], [], 'none twice');
diag "most at once: @most";
cmp_ok($most[$_], '<=', 2, "responder $_: never more than 2 questions at once") for 0 .. 2;
cmp_ok($most[3], '<=', 4, 'all together: never more than 4');
cmp_ok($most[3], '>', 1, 'but more than one');

sub serials { my ($word, $out) = @_; return $word eq 'good' && $out =~ /Serial Number: (\w+)/ ? hex $1 : $word }
my @some = map { $_ * 37 % $COUNT } 0 .. 15;
for my $when ('', 'after a graceful restart: ', 'after stop and start: ') {
    $h->graceful if $when =~ /graceful/;
    $h->stop && $h->start if $when =~ /stop/;
    staple_comes($h, 'good', sni => "h$some[-1].test");
    is_deeply([map { serials(staple($h, sni => "h$_.test")) } @some], [map { 100_000 + $_ } @some], "${when}each host staples its own certificate's answer");
}
is(scalar(split /\n/, slurp($notes)), $COUNT, 'and nobody was asked again');
done_testing;
